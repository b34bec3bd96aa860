-- ahead: a JWT was shown whose `iat` is ahead of the clock; revoke.lua reaches it.
--#flags allow-oom
-- KEYS: ahead
-- ARGV: iat = number (ms), kept (how long: ms)
-- reply: {'ok'}
-- holds: it grows while it is kept.
local had = tonumber(redis.call('GET', ahead) or 0)
redis.call('SET', ahead, string.format('%d', math.max(had, iat)), 'PX', kept)
return {'ok'}
