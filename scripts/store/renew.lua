-- renew: nodes are to take the partition as fallen back: its keys went back without another server, or by hand.
--#flags allow-oom
-- KEYS: epoch, timers
-- ARGV: seen (n as it was, or '' for any), above = number (n is more than that then)
-- reply: n
-- holds: several nodes that see one fall-back renew once; n is one that no node has seen before.
--#include time epoch
local n = redis.call('HGET', epoch, 'n') or '0'
if seen ~= '' and seen ~= n then return tonumber(n) end
redis.call('HSET', epoch, 'at', now())
n = string.format('%d', math.max(n, above) + 1)
redis.call('HSET', epoch, 'n', n)
compare(timers, n, 'keys')
return tonumber(n)
