-- roll: agents' time is counted up to now, so that no hour is sealed that lacks some.
--#flags allow-oom
-- KEYS  1 the partition's statistics
-- ARGV  agents
-- reply {'ok'}
-- holds every moment of an agent's time is counted once.
--#include time stats occupancy
for i = 1, #ARGV do occupy(ARGV[i]) end
return {'ok'}
