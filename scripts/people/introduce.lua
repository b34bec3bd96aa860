-- introduce: an agent is known from now on, by a token that is issued for it.
-- KEYS: profile, conns, agents, named, dirty
-- ARGV: a = JSON (who (participant), agent (its id), info, queues (JSON), capacity)
-- reply: {'ok'}
-- holds: what an administrator set stays, and what the agent is connected with.
--#include time assign
local p = redis.call('HMGET', profile, 'set', 'queues', 'capacity')
local stays = p[1] or redis.call('HLEN', conns) > 0
redis.call('HSET', profile, 'info', a.info)
assign(profile, agents, named, a.agent, stays and p[2] or a.queues, stays and p[3] or a.capacity)
redis.call('ZADD', dirty, now(), 'profile|' .. a.who)
return {'ok'}
