-- renew: nodes are to take the partition as fallen back: its keys went back without another server, or by hand.
--#flags allow-oom
-- KEYS: epoch, timers
-- ARGV: seen (n as it was, or '' for any)
-- reply: n
-- holds: several nodes that see one fall-back renew once.
--#include time epoch
local n = redis.call('HGET', epoch, 'n') or '0'
if seen ~= '' and seen ~= n then return tonumber(n) end
redis.call('HSET', epoch, 'at', now())
n = redis.call('HINCRBY', epoch, 'n', 1)
compare(timers, n, 'keys')
return n
