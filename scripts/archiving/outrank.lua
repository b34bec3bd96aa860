-- outrank: Redis has gone on from an older form of a session than the archive has; what it has counts.
--#flags allow-oom
-- KEYS: session, dirty
-- ARGV: id, theirs = number (the archive's rev)
-- reply: rev now, 0 if there is no such session
-- holds: its versions continue above the archive's, so that the archive takes them.
--#include time
local was = redis.call('HGET', session, 'rev')
if not was then return 0 end
local rev = math.max(tonumber(was), theirs) + 1
redis.call('HSET', session, 'rev', rev)
redis.call('ZADD', dirty, now(), id)
redis.call('PUBLISH', session, 'L')
return rev
