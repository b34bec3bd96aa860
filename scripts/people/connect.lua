-- connect: a participant's device is at a node.
--#flags allow-oom
-- KEYS: conns, profile, timers, node, agents, load, dirty, named, stats, crews, presences
-- ARGV: a = JSON (who (participant), agent? (its id if staff), device, conn, max, info, queues, capacity, issued (ms),
--   generation (as in revoke.lua, 0 for a JWT), again? (it was told before)), channels (prefix of queue channels)
-- reply: {'ok', queues, capacity, status} | {'full'} | {'replaced'} | {'unauthorized'} | {'blocked'}
-- holds: one connection a device; what lasts of an agent's profile goes to the archive; an agent with a connection has no `gone` timer;
--   it has the status it chose, else it is online; to tell again what stands changes nothing.
--#include time presence assign
local p = redis.call('HMGET', profile, 'revoked', 'blocked', 'disabled', 'set', 'status', 'info', 'queues', 'capacity', 'generation', 'chosen')
if a.generation > 0 then
  if a.generation <= tonumber(p[9] or 0) then return {'unauthorized'} end
elseif p[1] and a.issued <= tonumber(p[1]) then
  return {'unauthorized'}
end
if p[2] or p[3] then return {'blocked'} end
local held, size = redis.call('HGET', conns, a.device), redis.call('HLEN', conns)
if not held and size >= a.max then return {'full'} end
-- What comes after the node's name grows with time: for sure at one node, where clocks agree at others. A call
-- that is carried out late must not throw out the connection that was made after it.
local at_node, order = string.match(held or '', '^([^/]*)/(.*)$')
if order and (a.again or at_node == string.match(a.conn, '^[^/]*')) and order > string.match(a.conn, '/(.*)$') then return {'replaced'} end

redis.call('HSET', conns, a.device, a.conn)
redis.call('SADD', node, a.who)
redis.call('HDEL', profile, 'away')
redis.call('HSET', profile, 'info', a.info)
redis.call('PERSIST', profile)
if held and held ~= a.conn then
  redis.call('PUBLISH', profile, cjson.encode({kind = 'replaced', conn = held}))
end
if a.agent then
  assign(profile, a.agent, p[4] and p[7] or a.queues, p[4] and p[8] or a.capacity)
  redis.call('ZREM', timers, 'gone|' .. a.agent)
  local assigned = p[4] or p[7] == a.queues and tonumber(p[8]) == a.capacity
  if p[6] ~= a.info or not assigned then redis.call('ZADD', dirty, now(), 'profile|' .. a.who) end
  local status = p[10] or 'online'
  if size == 0 or not assigned or p[5] ~= status then
    redis.call('HSET', profile, 'status', status)
    announce(profile, load, channels, a.agent)
  end
end
local now_is = redis.call('HMGET', profile, 'queues', 'capacity', 'status')
return {'ok', now_is[1] or '[]', tonumber(now_is[2] or 0), now_is[3] or ''}
