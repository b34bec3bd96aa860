-- outrank: Redis has gone on from an older form of a session than the archive has; what it has counts.
--#flags allow-oom
-- KEYS  1 session 2 dirty
-- ARGV  1 session id 2 the archive's rev 3 up to which seq the archive has the same messages
-- reply rev now, 0 if there is no such session
-- holds its versions continue above the archive's, so that the archive takes them; nothing but those messages counts as archived.
--#include time
local s = redis.call('HMGET', KEYS[1], 'rev', 'archived')
if not s[1] then return 0 end
local rev = math.max(tonumber(s[1]), tonumber(ARGV[2])) + 1
redis.call('HSET', KEYS[1], 'rev', rev, 'archived', math.min(tonumber(s[2] or 0), tonumber(ARGV[3])))
redis.call('ZADD', KEYS[2], now(), ARGV[1])
redis.call('PUBLISH', KEYS[1], 'L')
return rev
