-- renew: nodes are to take the partition as fallen back: its keys went back without another server, or by hand.
--#flags allow-oom
-- KEYS  1 epoch 2 timers
-- ARGV  1 n as it was seen, or '' for any
-- reply n
-- holds several nodes that see one fall-back renew once.
--#include time epoch
local n = redis.call('HGET', KEYS[1], 'n') or '0'
if ARGV[1] ~= '' and ARGV[1] ~= n then return tonumber(n) end
redis.call('HSET', KEYS[1], 'at', now())
n = redis.call('HINCRBY', KEYS[1], 'n', 1)
compare(KEYS[2], n, 'keys')
return n
