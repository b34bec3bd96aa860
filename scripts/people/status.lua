-- status: what an agent says of itself, or what the broker finds out (gone).
--#flags allow-oom
-- KEYS: profile, load, conns, dirty, epoch, stats, presences
-- ARGV: a = JSON (agent, status ('' for the one it has), gone? (only if it has no connection)), channels (prefix of queue channels)
-- reply: {'ok', status, capacity, load} | {'back'} | {'early'}: the nodes may not have told yet who is connected
-- holds: an agent with a connection is never found gone; what it chose stays until it chooses again.
--#include time presence epoch
if a.gone and redis.call('HLEN', conns) > 0 then return {'back'} end
if a.gone and now() < settling(epoch) then return {'early'} end
if a.gone then
  redis.call('HSET', profile, 'status', 'offline')
elseif a.status ~= '' then
  if redis.call('HGET', profile, 'chosen') ~= a.status then redis.call('ZADD', dirty, now(), 'profile|a:' .. a.agent) end
  redis.call('HSET', profile, 'status', a.status, 'chosen', a.status)
end
announce(profile, load, channels, a.agent)
return {'ok', redis.call('HGET', profile, 'status') or 'offline', tonumber(redis.call('HGET', profile, 'capacity') or 0), redis.call('HLEN', load)}
