-- outrank: Redis has gone on from an older form of a session than the archive has; what it has counts.
--#flags allow-oom
-- KEYS  1 session 2 dirty
-- ARGV  1 session id 2 the archive's rev
-- reply rev now, 0 if there is no such session
-- holds its versions continue above the archive's, so that the archive takes them.
--#include time
local was = redis.call('HGET', KEYS[1], 'rev')
if not was then return 0 end
local rev = math.max(tonumber(was), tonumber(ARGV[2])) + 1
redis.call('HSET', KEYS[1], 'rev', rev)
redis.call('ZADD', KEYS[2], now(), ARGV[1])
redis.call('PUBLISH', KEYS[1], 'L')
return rev
