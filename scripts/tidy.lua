-- tidy: queues that nobody has set or serves, and in which nobody waits any more, make room for others.
--#flags allow-oom
-- KEYS  1 strange 2… their waiting lists
-- ARGV  the queues, as KEYS 2…
-- reply {'ok', how many went}
local n = 0
for i = 1, #ARGV do
  if redis.call('EXISTS', KEYS[1 + i]) == 0 then n = n + redis.call('SREM', KEYS[1], ARGV[i]) end
end
return {'ok', n}
