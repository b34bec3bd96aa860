-- putback: gives back what was collected and not done, as it was.
--#flags allow-oom
-- KEYS  1 dirty 2 late
-- ARGV  1 the score it was taken with 2… member, score it had, …
-- reply {'ok'}
for i = 2, #ARGV, 2 do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
  redis.call('ZREM', KEYS[2], ARGV[i])
  if score and tonumber(score) == tonumber(ARGV[1]) then redis.call('ZADD', KEYS[1], ARGV[i + 1], ARGV[i]) end
end
return {'ok'}
