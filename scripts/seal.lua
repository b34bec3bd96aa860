-- seal: hours that ended long enough ago never change again, so that the archive can have the last of them.
--#flags allow-oom
-- KEYS  1 the partition's statistics
-- ARGV  1 how long ago: ms
-- reply {now, the last hour that is sealed}
-- holds nothing is counted in a sealed hour; no hour is ever opened again.
--#include time
local at = now()
local sealed = tonumber(redis.call('HGET', KEYS[1], 'sealed') or 0)
local last = math.floor((at - ARGV[1]) / 3600000) - 1
if last > sealed then
  redis.call('HSET', KEYS[1], 'sealed', last)
  sealed = last
end
return {at, sealed}
