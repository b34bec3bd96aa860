-- introduce: an agent is known from now on, by a token that is issued for it.
-- KEYS  1 its profile 2 its connections 3 agents 4 named 5 dirty
-- ARGV  {who (participant), agent: its id, info, queues: JSON, capacity}
-- reply {'ok'}
-- holds what an administrator set stays, and what the agent is connected with.
--#include time assign
local a = cjson.decode(ARGV[1])
local p = redis.call('HMGET', KEYS[1], 'set', 'queues', 'capacity')
local stays = p[1] or redis.call('HLEN', KEYS[2]) > 0
redis.call('HSET', KEYS[1], 'info', a.info)
assign(KEYS[1], KEYS[3], KEYS[4], a.agent, stays and p[2] or a.queues, stays and p[3] or a.capacity)
redis.call('ZADD', KEYS[5], now(), 'profile|' .. a.who)
return {'ok'}
