-- agent: an administrator sets an agent's queues and capacity, or shuts it out.
-- KEYS: profile, load, agents, named, dirty, stats, crews, presences
-- ARGV: a = JSON (who (participant), agent (its id), queues? (JSON; none: as they are), capacity (0: as it is), disabled,
--   defaults ({queues, capacity} of one that nobody has seen)), channels (prefix of queue channels)
-- reply: {'ok', its profile, load}
-- holds: what is left out stays, whatever others set at the same moment.
--#include time assign presence
local p = redis.call('HMGET', profile, 'queues', 'capacity')
local capacity = a.capacity > 0 and a.capacity or tonumber(p[2] or 0)
assign(profile, a.agent, a.queues or p[1] or a.defaults.queues, capacity > 0 and capacity or a.defaults.capacity)
redis.call('HSET', profile, 'set', 1)
if a.disabled then
  redis.call('HSET', profile, 'disabled', 1)
else
  redis.call('HDEL', profile, 'disabled')
end
redis.call('ZADD', dirty, now(), 'profile|' .. a.who)
redis.call('PUBLISH', profile, '{"kind":"' .. (a.disabled and 'removed' or 'settings') .. '"}')
announce(profile, load, channels, a.agent)
return {'ok', cjson.encode(redis.call('HGETALL', profile)), redis.call('HLEN', load)}
