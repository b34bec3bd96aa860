-- returned: what was lent comes back: it is done, or due again at a time of its own.
--#flags allow-oom
-- KEYS: work = timers|outbox|dirty, late? (of dirty)
-- ARGV: lease (the score it was lent with, '' where it never was), back... (member, when it is due again or '', …)
-- reply: {'ok'}
-- holds: what somebody set anew, or borrowed, meanwhile stays.
--#include lent
for i = 1, #back, 2 do returned(work, back[i], lease, back[i + 1], late) end
return {'ok'}
