-- token: an opaque token, under its hash.
-- KEYS  1 the token 2 dirty
-- ARGV  1 hash 2 whom it speaks for: JSON without its times and the closing brace 3 how long it lasts: ms
-- reply {'ok', expires: ms}
-- holds its times are of Redis's clock.
--#include time
local at = now()
redis.call('SET', KEYS[1], string.format('%s,"issued":%d,"expires":%d}', ARGV[2], at, at + ARGV[3]), 'PX', ARGV[3])
redis.call('ZADD', KEYS[2], at, 'token|' .. ARGV[1])
return {'ok', at + ARGV[3]}
