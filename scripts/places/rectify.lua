-- rectify: a place in an agent's load is made what its session says, which is the truth of both.
--#flags allow-oom
-- KEYS: profile, load, timers, stats, presences
-- ARGV: a = JSON (agent, session, was (the place as it was seen, '' for none), token (that the session names, '' for none)), channels (prefix of queue channels)
-- reply: {'ok'} | {'moved'}: it is not as it was seen | {'full'}
-- holds: load never exceeds capacity by it.
--#include time presence
if (redis.call('HGET', load, a.session) or '') ~= a.was then return {'moved'} end
if a.token == '' then
  redis.call('HDEL', load, a.session)
else
  if a.was == '' and redis.call('HLEN', load) >= tonumber(redis.call('HGET', profile, 'capacity') or 0) then return {'full'} end
  redis.call('HSET', load, a.session, a.token .. '|held')
end
redis.call('ZREM', timers, 'place|' .. a.session .. '|' .. a.agent)
redis.call('HSET', profile, 'idle_at', now())
announce(profile, load, channels, a.agent)
return {'ok'}
