-- bury: a node that was silent while others were heard is dead; what it had is somebody else's, and its connections are cleared.
--#flags allow-oom
-- KEYS: nodes, clearing, leases, lent... = timers|outbox|dirty (what else it may have been lent from)
-- ARGV: node, beats = number (when it was found silent)
-- reply: 1 | 0: it has been heard of since, or is buried already
-- holds: a node that beats is never buried; one that comes back is new to `take`, and registers its connections again.
--#include time lease
local heard = redis.call('ZSCORE', nodes, node)
if not heard or tonumber(heard) ~= beats then return 0 end
redis.call('ZREM', nodes, node)
redis.call('ZADD', clearing, now(), node)
-- Not what it tells a webhook: it may be alive, and cut off from Redis only.
for _, kind in ipairs({'take|', 'collect|'}) do give_back(leases, kind .. node, {clearing, unpack(lent)}) end
redis.call('HDEL', leases, 'take|' .. node, 'collect|' .. node, 'hooks|' .. node)
return 1
