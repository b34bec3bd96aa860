-- token: an opaque token, under its hash.
-- KEYS: token, dirty
-- ARGV: hash, bearer (whom it speaks for: JSON without its times and the closing brace), ttl (how long it lasts: ms)
-- reply: {'ok', expires: ms}
-- holds: its times are of Redis's clock.
--#include time
local at = now()
redis.call('SET', token, string.format('%s,"issued":%d,"expires":%d}', bearer, at, at + ttl), 'PX', ttl)
redis.call('ZADD', dirty, at, 'token|' .. hash)
return {'ok', at + ttl}
