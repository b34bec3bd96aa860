-- queue: a queue's settings are replaced, or taken away.
-- KEYS: queues, dirty
-- ARGV: id, settings (JSON, or '' for none)
-- reply: {'ok', 1 if it had any}
-- holds: the archive hears of it.
--#include time
local had = redis.call('HEXISTS', queues, id)
if settings == '' then
  redis.call('HDEL', queues, id)
else
  redis.call('HSET', queues, id, settings)
end
redis.call('ZADD', dirty, now(), 'queue|' .. id)
return {'ok', had}
