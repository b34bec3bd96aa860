-- disconnect: a device is not at that node any more.
--#flags allow-oom
-- KEYS: conns, profile, timers, node, nodes, rules
-- ARGV: a = JSON (who, agent? (its id if staff), node, device?, conn? (that one; else all at this node), grace (ms, 0 never),
--   dead? (only if the node has not been heard of), keep? (of a user, as in lib/memory.lua), rules? (as in lib/session.lua))
-- reply: {'ok', connections left} | {'alive'} | {'stale', rules}
-- holds: an agent without a connection has a `gone` timer, a user an `away` time.
--#include time memory
if a.dead and redis.call('ZSCORE', nodes, a.node) then return {'alive'} end
local newest = redis.call('GET', rules) or ''
if a.rules and a.rules ~= newest then return {'stale', newest} end
local held, here = redis.call('HGETALL', conns), 0
for i = 1, #held, 2 do
  local at_node = string.sub(held[i + 1], 1, #a.node + 1) == a.node .. '/'
  if at_node and (not a.device or (held[i] == a.device and held[i + 1] == a.conn)) then
    redis.call('HDEL', conns, held[i])
  elseif at_node then
    here = here + 1
  end
end
if here == 0 then redis.call('SREM', node, a.who) end
local left = redis.call('HLEN', conns)
if #held > 0 and left == 0 then
  local at = now()
  redis.call('HSET', profile, 'away', at)
  if not a.agent then forget_later(profile, a.keep or 0) end
  if a.agent and a.grace > 0 then redis.call('ZADD', timers, at + a.grace, 'gone|' .. a.agent) end
end
return {'ok', left}
