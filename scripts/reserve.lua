-- reserve: holds a place in an agent's load for a session, for a short while.
-- KEYS  1 the agent's profile 2 its load 3 timers
-- ARGV  {agent, session, token, ttl: ms until it is asked what became of it, offer: only if online, queue: only if it is the agent's, or nil,
--        load: only if it is no more, or nil, capacity, queues, info: of the token, where no profile is}
-- reply {'ok', queues, info, token: with its place in the order of this place's tokens before it} | {'full', load, capacity} | {'busy', load, capacity} | {'no_agent'} | {'forbidden'}
-- holds load never exceeds capacity; a place stays taken until somebody says what became of it; a place's tokens grow,
--       so that what the session's partition hears late never replaces what is newer.
--#include time
local a = cjson.decode(ARGV[1])
local at = now()
local p = redis.call('HMGET', KEYS[1], 'status', 'capacity', 'queues', 'info', 'disabled', 'granted')
if a.offer and (p[1] ~= 'online' or p[5]) then return {'no_agent'} end
if p[5] then return {'forbidden'} end
if a.queue then
  local member = false
  for _, q in ipairs(cjson.decode(p[3] or '[]')) do if q == a.queue then member = true end end
  if not member then return {'no_agent'} end
end
local capacity = tonumber(p[2] or a.capacity)
local held = redis.call('HGET', KEYS[2], a.session)
if not held then
  local load = redis.call('HLEN', KEYS[2])
  if load >= capacity then return {'full', load, capacity} end
  if a.load and load > a.load then return {'busy', load, capacity} end
  if tonumber(p[6]) ~= capacity then redis.call('HSET', KEYS[1], 'granted', capacity) end
end
local deadline = at + a.ttl
local order, last = string.match(held or '', '^(%d+)%.([^|]+)')
order = tonumber(order or 0)
if last ~= a.token then order = math.max(deadline, order + 1) end -- the same one again: it is a repetition
local token = string.format('%014d.%s', order, a.token)
redis.call('HSET', KEYS[2], a.session, token .. '|' .. deadline)
redis.call('ZADD', KEYS[3], deadline + 500, 'place|' .. a.session .. '|' .. a.agent)
return {'ok', p[3] or a.queues, p[4] or a.info, token}
