-- roll: agents' time is counted up to now, so that no hour is sealed that lacks some.
--#flags allow-oom
-- KEYS: stats
-- ARGV: agents...
-- reply: {'ok'}
-- holds: every moment of an agent's time is counted once.
--#include occupancy
for _, agent in ipairs(agents) do occupy(agent) end
return {'ok'}
