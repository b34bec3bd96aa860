-- done: removes what was taken and is finished, unless somebody set it anew meanwhile.
--#flags allow-oom
-- KEYS  1 the sorted set 2 late, if it is dirty
-- ARGV  1 the score it was taken with, '' for any 2… members
-- reply {'ok'}
for i = 2, #ARGV do
  local score = ARGV[1] ~= '' and redis.call('ZSCORE', KEYS[1], ARGV[i])
  if KEYS[2] then redis.call('ZREM', KEYS[2], ARGV[i]) end
  if ARGV[1] == '' or score and tonumber(score) == tonumber(ARGV[1]) then redis.call('ZREM', KEYS[1], ARGV[i]) end
end
return {'ok'}
