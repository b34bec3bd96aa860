-- ahead: a JWT was shown whose `iat` is ahead of the clock; revoke.lua reaches it.
--#flags allow-oom
-- KEYS  1 the participant's latest such `iat`: ms
-- ARGV  1 iat: ms 2 how long it is kept: ms
-- reply {'ok'}
-- holds it grows while it is kept.
local had = tonumber(redis.call('GET', KEYS[1]) or 0)
redis.call('SET', KEYS[1], string.format('%d', math.max(had, tonumber(ARGV[1]))), 'PX', ARGV[2])
return {'ok'}
