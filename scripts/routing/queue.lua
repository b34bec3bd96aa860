-- queue: a queue's settings are replaced, or taken away.
-- KEYS: queues, dirty, rules, alive
-- ARGV: id, settings (JSON, or '' for none), change (its id)
-- reply: {'ok', 1 if it had any}
-- holds: the archive hears of it, and every node with its next heartbeat, at once if nothing is lost.
--#include time
local had = redis.call('HEXISTS', queues, id)
if settings == '' then
  redis.call('HDEL', queues, id)
else
  redis.call('HSET', queues, id, settings)
end
redis.call('ZADD', dirty, now(), 'queue|' .. id)
redis.call('SET', rules, change)
redis.call('PUBLISH', alive, '!')
return {'ok', had}
