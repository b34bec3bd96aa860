-- status: what an agent says of itself, or what the broker finds out (gone).
--#flags allow-oom
-- KEYS  1 the agent's profile 2 its load 3 its connections 4 dirty 5 epoch 6 statistics
-- ARGV  {agent, status: '' for the one it has, gone: only if it has no connection}, 2 prefix of queue channels
-- reply {'ok', status, capacity, load} | {'back'} | {'early'}: the nodes may not have told yet who is connected
-- holds an agent with a connection is never found gone; what it chose stays until it chooses again.
--#include time stats occupancy presence epoch
local a = cjson.decode(ARGV[1])
if a.gone and redis.call('HLEN', KEYS[3]) > 0 then return {'back'} end
if a.gone and now() < settling(KEYS[5]) then return {'early'} end
if a.gone then
  redis.call('HSET', KEYS[1], 'status', 'offline')
elseif a.status ~= '' then
  if redis.call('HGET', KEYS[1], 'chosen') ~= a.status then redis.call('ZADD', KEYS[4], now(), 'profile|a:' .. a.agent) end
  redis.call('HSET', KEYS[1], 'status', a.status, 'chosen', a.status)
end
announce(KEYS[1], KEYS[2], ARGV[2], a.agent)
return {'ok', redis.call('HGET', KEYS[1], 'status') or 'offline', tonumber(redis.call('HGET', KEYS[1], 'capacity') or 0), redis.call('HLEN', KEYS[2])}
