-- join: another agent takes part.
-- KEYS: session, log, unread, read, authors, timers, dirty, outbox, states, rules, stats, hooks?
-- ARGV: a = JSON (op, session, by, boss?, info, queues, max (assistants of one session))
-- reply: {'ok', snapshot, effect} | {code, state}
-- holds: the owner stays; the newcomer's mark is 0.
--#include session seats places snapshot
if not s.state then return {'not_found'} end
local member = a.boss
for _, q in ipairs(a.queues) do if q == s.queue then member = true end end
if s.agent == a.by or s['as:' .. a.by] then return {'ok', snapshot()} end
if not member then return {'forbidden'} end
if s.state == 'ended' then return {'ended'} end
if s.state == 'waiting' then return {'wrong_state', s.state} end
if #assistants() >= a.max then return {'full', #assistants(), a.max} end

set['as:' .. a.by] = a.info
say('joined', ',"agent":' .. a.info)
enter(a.by)
owe(a.by, 'assistant', s.target == a.by and s.target_res or '', s.target == a.by)
return commit()
