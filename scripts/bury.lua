-- bury: a node that was silent while others were heard is dead; what it had is somebody else's, and its connections are cleared.
--#flags allow-oom
-- KEYS  1 nodes 2 clearing 3 leases 4… what it may have been lent from
-- ARGV  1 node 2 its beats when it was found silent
-- reply 1 | 0: it has been heard of since, or is buried already
-- holds a node that beats is never buried; one that comes back is new to `take`, and registers its connections again.
--#include time lease
local beats = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not beats or tonumber(beats) ~= tonumber(ARGV[2]) then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[2], now(), ARGV[1])
-- Not what it tells a webhook: it may be alive, and cut off from Redis only.
for _, kind in ipairs({'take|', 'collect|'}) do give_back(KEYS[3], kind .. ARGV[1], {unpack(KEYS, 4)}) end
redis.call('HDEL', KEYS[3], 'take|' .. ARGV[1], 'collect|' .. ARGV[1], 'hooks|' .. ARGV[1])
return 1
