-- later: something falls due, after a while by Redis's clock.
--#flags allow-oom
-- KEYS: work = timers|hooks
-- ARGV: ms (from now), how ('NX': only what is not there yet, or ''), members...
-- reply: {'ok'}
-- holds: its time is of Redis's clock.
--#include time
local at = now() + ms
for _, m in ipairs(members) do
  if how == '' or not redis.call('ZSCORE', work, m) then redis.call('ZADD', work, at, m) end
end
return {'ok'}
