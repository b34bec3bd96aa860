-- queue: a queue's settings are replaced, or taken away.
-- KEYS  1 the queues' settings 2 dirty
-- ARGV  1 queue 2 its settings: JSON, or '' for none
-- reply {'ok', 1 if it had any}
--#include time
local had = redis.call('HEXISTS', KEYS[1], ARGV[1])
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
redis.call('ZADD', KEYS[2], now(), 'queue|' .. ARGV[1])
return {'ok', had}
