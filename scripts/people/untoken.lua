-- untoken: one opaque token ends.
--#flags allow-oom
-- KEYS: token, dirty
-- ARGV: hash
-- reply: {'ok'}
-- holds: the archive forgets it, too.
--#include time
redis.call('DEL', token)
redis.call('ZADD', dirty, now(), 'token|' .. hash)
return {'ok'}
