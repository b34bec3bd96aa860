-- recount: how many known agents name each queue, and who they are, found out anew.
-- KEYS: named, crews, presences, agents, profiles... = profile (of the agents)
-- ARGV: ids... (of the agents)
-- reply: {'ok'} | {'moved'}: there are others by now
-- holds: as lib/assign.lua would have written it; whoever assigns in a queue whose crew was not so notices.
if redis.call('SCARD', agents) ~= #ids then return {'moved'} end
local counts, members, changed = {}, {}, {}
for i = 1, #ids do
  if redis.call('SISMEMBER', agents, ids[i]) == 0 then return {'moved'} end
  for _, q in ipairs(cjson.decode(redis.call('HGET', profiles[i], 'queues') or '[]')) do
    counts[q] = (counts[q] or 0) + 1
    members[q .. '\31' .. ids[i]] = q
  end
end
redis.call('DEL', named)
for q, n in pairs(counts) do redis.call('HSET', named, q, n) end
for _, m in ipairs(redis.call('ZRANGE', crews, 0, -1)) do
  if not members[m] then
    changed[string.match(m, '^(.-)\31')] = true
    redis.call('ZREM', crews, m)
  end
  members[m] = nil
end
for m, q in pairs(members) do
  changed[q] = true
  redis.call('ZADD', crews, 0, m)
end
for _, q in ipairs(redis.call('HKEYS', presences)) do
  if not counts[q] then redis.call('HDEL', presences, q) end
end
for q in pairs(changed) do
  if counts[q] then redis.call('HINCRBY', presences, q, 1) end
end
return {'ok'}
