-- putback: gives back what was collected and not done, as it was.
--#flags allow-oom
-- KEYS: work = dirty, late
-- ARGV: lease (the score they were lent with), lent... (member, score it had, …)
-- reply: {'ok'}
-- holds: as it was; what somebody set anew meanwhile stays.
--#include lent
for i = 1, #lent, 2 do returned(work, lent[i], lease, lent[i + 1], late) end
return {'ok'}
