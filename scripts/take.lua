-- take: hands what is due to one node for a while; a crash gives it back. Also this node's heartbeat.
--#flags allow-oom
-- KEYS  1 timers 2 outbox 3 nodes
-- ARGV  1 node 2 at most 3 lease: ms 4 a node silent this long is dead: ms
-- reply {fresh: 1 if the node was unknown, until, timers, effects, dead nodes}
-- holds what is taken has the score `until` and is nobody else's before.
--#include time
local at = now()
local lease = at + tonumber(ARGV[3])
local function due(key)
  local members = redis.call('ZRANGEBYSCORE', key, '-inf', at, 'LIMIT', 0, ARGV[2])
  for _, m in ipairs(members) do redis.call('ZADD', key, lease, m) end
  return members
end
local fresh = redis.call('ZADD', KEYS[3], at, ARGV[1])
local dead = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', at - tonumber(ARGV[4]))
for _, n in ipairs(dead) do redis.call('ZADD', KEYS[3], at - tonumber(ARGV[4]) + 5000, n) end
return {fresh, lease, due(KEYS[1]), due(KEYS[2]), dead}
