-- seal: hours that ended long enough ago never change again, so that the archive can have the last of them.
--#flags allow-oom
-- KEYS: stats
-- ARGV: ago (how long: ms)
-- reply: {now, the last hour that is sealed}
-- holds: nothing is counted in a sealed hour; no hour is ever opened again.
--#include time
local HOUR = 3600000 -- ms
local at = now()
local sealed = tonumber(redis.call('HGET', stats, 'sealed') or 0)
local last = math.floor((at - ago) / HOUR) - 1
if last > sealed then
  redis.call('HSET', stats, 'sealed', last)
  sealed = last
end
return {at, sealed}
