-- patience: tells a user who has waited long so, once.
-- KEYS: session, log, unread, read, authors, timers, dirty, outbox, states, rules, stats, hooks?
-- ARGV: a = JSON (op, session, rules, text, opens (JSON))
-- reply: {'ok', snapshot} | {'too_early'}
-- holds: it is told once in each wait.
--#include session
redis.call('ZREM', timers, 'patience|' .. a.session)
if s.state ~= 'waiting' or s.told then return {'too_early'} end
set.told = at
say('long-wait', ',"text":' .. cjson.encode(a.text) .. ',"opens":' .. a.opens)
return commit()
