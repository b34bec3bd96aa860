-- offer: the owner (or a supervisor) offers the session to an agent whose place is reserved. A waiting one,
--   which a supervisor or the broker (sticky) offers, waits on.
-- KEYS: session, log, unread, read, authors, timers, dirty, outbox, states, rules, stats, hooks?
-- ARGV: a = JSON (op, session, by, rules, boss? (supervisor or host), sticky? (the broker), agent, info, token, queues, note, ttl (ms, 0 for ever))
-- reply: {'ok', snapshot, effect} | {'late'} | {code, state} | {'kept', one of these}
-- holds: the owner stays; at most one offer is open; its target's place is held.
--#include session places
if not s.state then return {'not_found'} end
if not (a.boss or a.sticky or s.agent == a.by) then return refuse('forbidden') end
if s.state == 'ended' then return {'ended'} end
if s.agent == a.agent then return refuse('bad_request', 'it is theirs already') end
if not (s.state == 'serving' and not a.sticky or s.state == 'waiting' and not s.target and (a.boss or a.sticky)) then
  return refuse('wrong_state', s.state)
end
local member = false
for _, q in ipairs(a.queues) do if q == s.queue then member = true end end
if not member then return {'no_agent'} end
if fenced() then return {'late'} end

if s.state == 'serving' then set.state = 'transferring' end
drop('sticky')
set.target, set.target_info, set.target_res = a.agent, a.info, a.token
set.offer_by, set.offer_note, set.offer_expires = a.by, a.note, 0
if a.ttl > 0 then
  set.offer_expires = at + a.ttl
  redis.call('ZADD', timers, at + a.ttl, 'offer|' .. a.session)
end
say('offered', ',"by":' .. cjson.encode(a.by) .. ',"to":' .. a.info)
owe(a.agent, s['as:' .. a.agent] and 'assistant' or 'target', a.token, true,
  {kind = 'offer', from = a.by, note = a.note, expires = set.offer_expires})
return commit()
