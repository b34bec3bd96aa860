-- untoken: one opaque token ends.
--#flags allow-oom
-- KEYS  1 the token 2 dirty
-- ARGV  1 hash
-- reply {'ok'}
-- holds the archive forgets it, too.
--#include time
redis.call('DEL', KEYS[1])
redis.call('ZADD', KEYS[2], now(), 'token|' .. ARGV[1])
return {'ok'}
