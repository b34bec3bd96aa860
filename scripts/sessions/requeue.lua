-- requeue: the session waits again, in its own or another queue, keeping its age.
--#flags allow-oom
-- KEYS: session, log, unread, read, authors, timers, dirty, outbox, waiting, open, to = waiting (of a.to), states, rules, stats, hooks?
-- ARGV: a = JSON (op, session, by, rules, boss?, gone? (only while this agent owns it), from? (only while it waits in this queue),
--   queue (as waiting), to, front?, reason, abandon (ms), patience (ms), entry? (a note {by, mid, head, body}))
-- reply: {'ok', snapshot, effect…} | {'moved', queue, user} | {code, state}
-- holds: asked again by the one who did it, it does nothing; no owner while waiting; one waiting list holds it; every agent's place is owed back.
--#include unread session seats places vacate line opened counts snapshot
if not s.state then return {'not_found'} end
if a.gone and s.agent ~= a.gone then return {'forbidden'} end
if a.from and not (s.state == 'waiting' and s.queue == a.from) then return {'wrong_state', s.state} end
if not (a.boss or a.gone or s.agent == a.by) then
  if s.state == 'waiting' and s.queue == a.to and s.moved_by == a.by then return {'ok', snapshot()} end
  return {'forbidden'}
end
if s.state == 'ended' then return {'ended'} end
if s.queue ~= a.queue then return {'moved', s.queue, s.user} end
if s.state == 'waiting' and a.to == s.queue then return {'ok', snapshot()} end

if a.entry then
  append(a.entry.mid, a.entry.head, a.entry.body, a.entry.by, a.entry.by == 'h:bot' and BOT or code(a.by), true)
end
if s.state == 'waiting' then step_out(waiting, a.by) end
if a.to ~= s.queue then
  closed(open, s.queue, a.session)
  opened(open, a.to, a.session)
end
close_offer('cancelled')
count_moved((a.gone or a.reason ~= '') and 'requeued' or 'transferred')
redis.call('ZREM', timers, 'end|' .. a.session, 'idle|' .. a.session)
vacate()
drop('agent', 'agent_info', 'agent_res', 'ending_due', 'ending_by', 'reason', 'sticky', 'bot_first')
line_up(to, a.to, tonumber(s.queued or s.created), a.front)
set.moved_by = a.by
if a.reason ~= '' then
  say('requeued', ',"reason":' .. cjson.encode(a.reason))
else
  say('transferred', ',"queue":' .. cjson.encode(a.to) .. ',"by":' .. cjson.encode(a.by))
end
local reply = commit()
redis.call('PUBLISH', to, '+' .. a.session .. '\31' .. reply[2])
return reply
