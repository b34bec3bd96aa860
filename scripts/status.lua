-- status: what an agent says of itself, or what the broker finds out (gone).
--#flags allow-oom
-- KEYS  1 the agent's profile 2 its load 3 its connections 4 statistics
-- ARGV  {agent, status: '' for the one it has, gone: only if it has no connection}, 2 prefix of queue channels
-- reply {'ok', status, capacity, load} | {'back'}
-- holds an agent with a connection is never found gone.
--#include time stats occupancy presence
local a = cjson.decode(ARGV[1])
if a.gone and redis.call('HLEN', KEYS[3]) > 0 then return {'back'} end
if a.status ~= '' then redis.call('HSET', KEYS[1], 'status', a.status) end
announce(KEYS[1], KEYS[2], ARGV[2], a.agent)
return {'ok', redis.call('HGET', KEYS[1], 'status') or 'offline', tonumber(redis.call('HGET', KEYS[1], 'capacity') or 0), redis.call('HLEN', KEYS[2])}
