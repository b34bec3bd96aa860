-- uncanned: removes one canned reply, which was there when the node looked.
-- KEYS  1 canned replies 2 shortcuts of the scope it was in 3 dirty
-- ARGV  {id, was: as KEYS 2, own: the agent who removes, if it may remove only its own}
-- reply {'ok'} | {'moved'}: it is in another scope than `was` | {'forbidden'}
-- holds what is gone already is removed once more without harm.
--#include time
local a = cjson.decode(ARGV[1])
local held = redis.call('HGET', KEYS[1], a.id)
if not held then return {'ok'} end
local old = cjson.decode(held)
if a.own and old.agent ~= a.own then return {'forbidden'} end
if (old.queue ~= '' and 'q:' .. old.queue or old.agent ~= '' and 'a:' .. old.agent or '') ~= a.was then return {'moved'} end

redis.call('HDEL', KEYS[2], old.shortcut)
redis.call('HDEL', KEYS[1], a.id)
redis.call('ZADD', KEYS[3], now(), 'canned|' .. a.id)
return {'ok'}
