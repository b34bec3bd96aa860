-- disconnect: a device is not at that node any more.
--#flags allow-oom
-- KEYS  1 the participant's connections 2 its profile 3 timers 4 the node's participants 5 nodes 6 rules
-- ARGV  {who, agent: its id if staff, node: all devices at this node, or device and conn: that one, grace: ms, 0 never,
--        dead: only if the node has not been heard of, keep: of a user, as in lib/memory.lua; rules: as in lib/session.lua}
-- reply {'ok', connections left} | {'alive'} | {'stale', rules}
-- holds an agent without a connection has a `gone` timer, a user an `away` time.
--#include time memory
local a = cjson.decode(ARGV[1])
if a.dead and redis.call('ZSCORE', KEYS[5], a.node) then return {'alive'} end
local rules = redis.call('GET', KEYS[6]) or ''
if a.rules and a.rules ~= rules then return {'stale', rules} end
local conns, here = redis.call('HGETALL', KEYS[1]), 0
for i = 1, #conns, 2 do
  local at_node = string.sub(conns[i + 1], 1, #a.node + 1) == a.node .. '/'
  if at_node and (not a.device or (conns[i] == a.device and conns[i + 1] == a.conn)) then
    redis.call('HDEL', KEYS[1], conns[i])
  elseif at_node then
    here = here + 1
  end
end
if here == 0 then redis.call('SREM', KEYS[4], a.who) end
local left = redis.call('HLEN', KEYS[1])
if #conns > 0 and left == 0 then
  local at = now()
  redis.call('HSET', KEYS[2], 'away', at)
  if not a.agent then forget_later(KEYS[2], a.keep or 0) end
  if a.agent and a.grace > 0 then redis.call('ZADD', KEYS[3], at + a.grace, 'gone|' .. a.agent) end
end
return {'ok', left}
