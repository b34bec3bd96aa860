-- canned: writes one canned reply.
-- KEYS: canned, shortcuts (of its scope), was = shortcuts (of the scope it was in, or the same), dirty
-- ARGV: a = JSON (id, shortcut, scope, was (the scope it was in), own? (the agent who writes, if it may write only its own),
--   data (its JSON without `updated` and the closing brace), max (replies of one scope))
-- reply: {'ok', its JSON} | {'moved'}: it is in another scope than `was` | {'taken', id} | {'full', max, max} | {'forbidden'}
-- holds: a shortcut is one reply's in its scope; a scope has no more than `max`; to write what is there changes nothing.
--#include time scope
local held = redis.call('HGET', canned, a.id)
local old = held and cjson.decode(held)
if a.own and old and old.agent ~= a.own then return {'forbidden'} end
local scope = old and scope_of(old)
if old and scope ~= a.was then return {'moved'} end
local begins = a.data .. ',"updated":'
if held and string.sub(held, 1, #begins) == begins then return {'ok', held} end
local other = redis.call('HGET', shortcuts, a.shortcut)
if other and other ~= a.id then return {'taken', other} end
if scope ~= a.scope and redis.call('HLEN', shortcuts) >= a.max then return {'full', a.max, a.max} end

local data = begins .. string.format('%d', now()) .. '}'
if old then redis.call('HDEL', was, old.shortcut) end
redis.call('HSET', shortcuts, a.shortcut, a.id)
redis.call('HSET', canned, a.id, data)
redis.call('ZADD', dirty, now(), 'canned|' .. a.id)
return {'ok', data}
