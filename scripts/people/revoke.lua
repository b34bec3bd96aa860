-- revoke: all tokens of a participant end.
--#flags allow-oom
-- KEYS: profile, dirty, ahead
-- ARGV: who (participant), op (this call's own id), here = number (what time it is for the node: ms)
-- reply: {'ok', revoked: ms, what time it is: ms}
-- holds: an opaque token knows how many revocations there were before it, so no clock decides on it; of a
--   JWT decides when it says it was issued: not after `revoked`, which is now by the later of both clocks,
--   or what one shown before has said, if that is later still; it never goes back.
--#include time
local p = redis.call('HMGET', profile, 'revoked', 'generation', 'revoked_by')
if p[3] == op then return {'ok', tonumber(p[1]), now()} end -- the client library repeats it
local at, generation = math.max(now(), here, tonumber(redis.call('GET', ahead) or 0)), tonumber(p[2] or 0) + 1
at = math.max(at, tonumber(p[1] or 0))
redis.call('HSET', profile, 'revoked', string.format('%d', at), 'generation', generation, 'revoked_by', op)
redis.call('PERSIST', profile)
redis.call('ZADD', dirty, now(), 'profile|' .. who)
redis.call('PUBLISH', profile, string.format('{"kind":"revoked","before":%d,"generation":%d}', at, generation))
return {'ok', at, now()}
