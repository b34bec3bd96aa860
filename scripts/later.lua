-- later: something falls due, after a while by Redis's clock.
--#flags allow-oom
-- KEYS  1 timers, or another sorted set by time
-- ARGV  1 ms from now 2 'NX': only what is not there yet, or '' 3… members
-- reply {'ok'}
--#include time
local at = now() + ARGV[1]
for i = 3, #ARGV do
  if ARGV[2] == '' or not redis.call('ZSCORE', KEYS[1], ARGV[i]) then redis.call('ZADD', KEYS[1], at, ARGV[i]) end
end
return {'ok'}
