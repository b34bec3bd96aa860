-- rectify: a place in an agent's load is made what its session says, which is the truth of both.
--#flags allow-oom
-- KEYS  1 the agent's profile 2 its load 3 timers 4 statistics
-- ARGV  {agent, session, was: the place as it was seen, '' for none, token: that the session names, '' for none}, 2 prefix of queue channels
-- reply {'ok'} | {'moved'}: it is not as it was seen | {'full'}
-- holds load never exceeds capacity by it.
--#include time stats occupancy presence
local a = cjson.decode(ARGV[1])
if (redis.call('HGET', KEYS[2], a.session) or '') ~= a.was then return {'moved'} end
if a.token == '' then
  redis.call('HDEL', KEYS[2], a.session)
else
  if a.was == '' and redis.call('HLEN', KEYS[2]) >= tonumber(redis.call('HGET', KEYS[1], 'capacity') or 0) then return {'full'} end
  redis.call('HSET', KEYS[2], a.session, a.token .. '|held')
end
redis.call('ZREM', KEYS[3], 'place|' .. a.session .. '|' .. a.agent)
redis.call('HSET', KEYS[1], 'idle_at', now())
announce(KEYS[1], KEYS[2], ARGV[2], a.agent)
return {'ok'}
