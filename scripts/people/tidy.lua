-- tidy: queues that nobody has set or serves, and in which nobody waits any more, make room for others.
--#flags allow-oom
-- KEYS: strange, waits... = waiting (of the queues)
-- ARGV: queues...
-- reply: {'ok', how many went}
-- holds: a queue in which somebody waits stays.
local n = 0
for i = 1, #queues do
  if redis.call('EXISTS', waits[i]) == 0 then n = n + redis.call('SREM', strange, queues[i]) end
end
return {'ok', n}
