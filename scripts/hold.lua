-- hold: this node is the one that does something, for a while. Only efficiency rests on it.
--#flags allow-oom
-- KEYS  1 what is held
-- ARGV  1 node 2 for how long: ms, 0 to let go
-- reply 1 if it is this node's now, else 0
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
