-- introduce: an agent is known from now on, by a token that is issued for it.
-- KEYS: profile, conns, agents, named, dirty, load, stats, crews, presences
-- ARGV: a = JSON (who (participant), agent (its id), info, queues (JSON), capacity), channels (prefix of queue channels)
-- reply: {'ok'}
-- holds: what an administrator set stays, and what the agent is connected with.
--#include time assign presence
local p = redis.call('HMGET', profile, 'set', 'queues', 'capacity', 'status')
local stays = p[1] or redis.call('HLEN', conns) > 0
redis.call('HSET', profile, 'info', a.info)
assign(profile, a.agent, stays and p[2] or a.queues, stays and p[3] or a.capacity)
redis.call('ZADD', dirty, now(), 'profile|' .. a.who)
local other = not stays and (p[2] ~= a.queues or tonumber(p[3]) ~= a.capacity)
if other and p[4] == 'online' then announce(profile, load, channels, a.agent) end
return {'ok'}
