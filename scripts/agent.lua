-- agent: an administrator sets an agent's queues and capacity, or shuts it out.
-- KEYS  1 its profile 2 its load 3 agents 4 named 5 dirty 6 statistics
-- ARGV  {who (participant), agent: its id, queues: JSON, or nil: as they are, capacity, or 0: as it is,
--        disabled, defaults: {queues, capacity} of one that nobody has seen}, 2 prefix of queue channels
-- reply {'ok', its profile, load}
-- holds what is left out stays, whatever others set at the same moment.
--#include time assign stats occupancy presence
local a = cjson.decode(ARGV[1])
local p = redis.call('HMGET', KEYS[1], 'queues', 'capacity')
local capacity = a.capacity > 0 and a.capacity or tonumber(p[2] or 0)
assign(KEYS[1], KEYS[3], KEYS[4], a.agent, a.queues or p[1] or a.defaults.queues, capacity > 0 and capacity or a.defaults.capacity)
redis.call('HSET', KEYS[1], 'set', 1)
if a.disabled then
  redis.call('HSET', KEYS[1], 'disabled', 1)
else
  redis.call('HDEL', KEYS[1], 'disabled')
end
redis.call('ZADD', KEYS[5], now(), 'profile|' .. a.who)
redis.call('PUBLISH', KEYS[1], '{"kind":"' .. (a.disabled and 'removed' or 'settings') .. '"}')
announce(KEYS[1], KEYS[2], ARGV[2], a.agent)
return {'ok', cjson.encode(redis.call('HGETALL', KEYS[1])), redis.call('HLEN', KEYS[2])}
