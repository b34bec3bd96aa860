-- patience: tells a user who has waited long so, once.
-- KEYS  1–8 as in lib/session.lua
-- ARGV  {op, session, text, opens: JSON}
-- reply {'ok', snapshot} | {'too_early'}
-- holds it is told once in each wait.
--#include time unread session
redis.call('ZREM', KEYS[6], 'patience|' .. a.session)
if s.state ~= 'waiting' or s.told then return {'too_early'} end
set.told = at
say('long-wait', ',"text":' .. cjson.encode(a.text) .. ',"opens":' .. a.opens)
return commit()
