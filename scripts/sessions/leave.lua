-- leave: an assistant goes.
--#flags allow-oom
-- KEYS: session, log, unread, read, authors, timers, dirty, outbox, states, rules, stats, hooks?
-- ARGV: a = JSON (op, session, by)
-- reply: {'ok', snapshot, effect} | {code, state}
-- holds: the owner cannot leave: it transfers or ends.
--#include session seats places snapshot
if not s.state then return {'not_found'} end
if s.agent == a.by then return {'wrong_state', s.state} end
if not s['as:' .. a.by] then
  if took_part(a.by) then return {'ok', snapshot()} end
  return {'forbidden'}
end
if s.state == 'ended' then return {'ended'} end

say('left', ',"agent":' .. s['as:' .. a.by])
drop('as:' .. a.by)
exit(a.by)
if s.target == a.by then
  owe(a.by, 'target', s.target_res, true)
else
  owe(a.by, 'past', '', false)
end
return commit()
