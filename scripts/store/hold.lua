-- hold: this node is the one that does something, for a while. Only efficiency rests on it.
--#flags allow-oom
-- KEYS: work = dispatch|recovering
-- ARGV: node, ms (for how long, 0 to let go)
-- reply: 1 if it is this node's now, else 0
-- holds: one node at a time has it.
local held = redis.call('GET', work)
if held and held ~= node then return 0 end
if ms == '0' then
  redis.call('DEL', work)
  return 0
end
redis.call('SET', work, node, 'PX', ms)
return 1
