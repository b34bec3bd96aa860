-- recount: how many known agents name each queue, counted anew.
-- KEYS: named, agents, profiles... = profile (of the agents)
-- ARGV: ids... (of the agents)
-- reply: {'ok'} | {'moved'}: there are others by now
-- holds: as lib/assign.lua would have counted.
if redis.call('SCARD', agents) ~= #ids then return {'moved'} end
local counts = {}
for i = 1, #ids do
  if redis.call('SISMEMBER', agents, ids[i]) == 0 then return {'moved'} end
  for _, q in ipairs(cjson.decode(redis.call('HGET', profiles[i], 'queues') or '[]')) do counts[q] = (counts[q] or 0) + 1 end
end
redis.call('DEL', named)
for q, n in pairs(counts) do redis.call('HSET', named, q, n) end
return {'ok'}
