-- reserve: holds a place in an agent's load for a session, for a short while.
-- KEYS: profile, load, timers
-- ARGV: a = JSON (agent, session, token, ttl (ms until it is asked what became of it), offer? (only if online), queue? (only if it is the agent's),
--   load? (only if it is no more), capacity, queues, info (of the token, where no profile is))
-- reply: {'ok', queues, info, token: with its place in the order of this place's tokens before it} | {'full', load, capacity} | {'busy', load, capacity} | {'no_agent'} | {'forbidden'}
-- holds: load never exceeds capacity; a place stays taken until somebody says what became of it; a place's tokens grow,
--   so that what the session's partition hears late never replaces what is newer.
--#include time
local AFTER = 500 -- ms until what became of it is asked for
local at = now()
local p = redis.call('HMGET', profile, 'status', 'capacity', 'queues', 'info', 'disabled', 'granted')
if a.offer and (p[1] ~= 'online' or p[5]) then return {'no_agent'} end
if p[5] then return {'forbidden'} end
if a.queue then
  local member = false
  for _, q in ipairs(cjson.decode(p[3] or '[]')) do if q == a.queue then member = true end end
  if not member then return {'no_agent'} end
end
local capacity = tonumber(p[2] or a.capacity)
local held = redis.call('HGET', load, a.session)
if not held then
  local n = redis.call('HLEN', load)
  if n >= capacity then return {'full', n, capacity} end
  if a.load and n > a.load then return {'busy', n, capacity} end
  if tonumber(p[6]) ~= capacity then redis.call('HSET', profile, 'granted', capacity) end
end
local deadline = at + a.ttl
local order, last = string.match(held or '', '^(%d+)%.([^|]+)')
order = tonumber(order or 0)
if last ~= a.token then order = math.max(deadline, order + 1) end -- the same one again: it is a repetition
local token = string.format('%014d.%s', order, a.token)
redis.call('HSET', load, a.session, token .. '|' .. deadline)
redis.call('ZADD', timers, deadline + AFTER, 'place|' .. a.session .. '|' .. a.agent)
return {'ok', p[3] or a.queues, p[4] or a.info, token}
