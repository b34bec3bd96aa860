-- recount: how many known agents name each queue, counted anew.
-- KEYS  1 named 2 agents 3… the agents' profiles
-- ARGV  the agents, as KEYS 3…
-- reply {'ok'} | {'moved'}: there are others by now
-- holds as lib/assign.lua would have counted.
if redis.call('SCARD', KEYS[2]) ~= #ARGV then return {'moved'} end
local counts = {}
for i = 1, #ARGV do
  if redis.call('SISMEMBER', KEYS[2], ARGV[i]) == 0 then return {'moved'} end
  for _, q in ipairs(cjson.decode(redis.call('HGET', KEYS[2 + i], 'queues') or '[]')) do counts[q] = (counts[q] or 0) + 1 end
end
redis.call('DEL', KEYS[1])
for q, n in pairs(counts) do redis.call('HSET', KEYS[1], q, n) end
return {'ok'}
