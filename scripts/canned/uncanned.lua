-- uncanned: removes one canned reply, which was there when the node looked.
-- KEYS: canned, shortcuts (of the scope it was in), dirty
-- ARGV: a = JSON (id, was (the scope), own? (the agent who removes, if it may remove only its own))
-- reply: {'ok'} | {'moved'}: it is in another scope than `was` | {'forbidden'}
-- holds: what is gone already is removed once more without harm.
--#include time scope
local held = redis.call('HGET', canned, a.id)
if not held then return {'ok'} end
local old = cjson.decode(held)
if a.own and old.agent ~= a.own then return {'forbidden'} end
if scope_of(old) ~= a.was then return {'moved'} end

redis.call('HDEL', shortcuts, old.shortcut)
redis.call('HDEL', canned, a.id)
redis.call('ZADD', dirty, now(), 'canned|' .. a.id)
return {'ok'}
