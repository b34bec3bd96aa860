-- done: removes what was taken and is finished, unless somebody set it anew meanwhile.
--#flags allow-oom
-- KEYS: work = timers|outbox|dirty, late? (of dirty)
-- ARGV: lease (the score they were lent with, '' for any), members...
-- reply: {'ok'}
-- holds: what somebody set anew meanwhile stays.
--#include lent
for _, m in ipairs(members) do returned(work, m, lease, nil, late) end
return {'ok'}
