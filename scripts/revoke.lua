-- revoke: all tokens of a participant end.
--#flags allow-oom
-- KEYS  1 its profile 2 dirty 3 the latest `iat` it has shown that was ahead of the clock
-- ARGV  1 who (participant) 2 this call's own id 3 what time it is for the node: ms
-- reply {'ok', revoked: ms, what time it is: ms}
-- holds an opaque token knows how many revocations there were before it, so no clock decides on it; of a
--       JWT decides when it says it was issued: not after `revoked`, which is now by the later of both clocks,
--       or what one shown before has said, if that is later still; it never goes back.
--#include time
local p = redis.call('HMGET', KEYS[1], 'revoked', 'generation', 'revoked_by')
if p[3] == ARGV[2] then return {'ok', tonumber(p[1]), now()} end -- the client library repeats it
local at, generation = math.max(now(), tonumber(ARGV[3]), tonumber(redis.call('GET', KEYS[3]) or 0)), tonumber(p[2] or 0) + 1
at = math.max(at, tonumber(p[1] or 0))
redis.call('HSET', KEYS[1], 'revoked', string.format('%d', at), 'generation', generation, 'revoked_by', ARGV[2])
redis.call('PERSIST', KEYS[1])
redis.call('ZADD', KEYS[2], now(), 'profile|' .. ARGV[1])
redis.call('PUBLISH', KEYS[1], string.format('{"kind":"revoked","before":%d,"generation":%d}', at, generation))
return {'ok', at, now()}
