-- reopen: the user of an ended session has more to say; it waits again.
-- KEYS: session, log, unread, read, authors, timers, dirty, outbox, waiting, open, profile, strange, states, rules, stats, hooks?
-- ARGV: a = JSON (op, session, by (participant), rules, boss?, queue (as waiting), window (ms since its end, 0 never), abandon (ms),
--   patience (ms), greet?, closed?, sticky, bot? (as in lib/begin.lua), most?, strange?, strange_most? (as in lib/bounds.lua))
-- reply: {'ok', snapshot, effect…} | {'moved', queue, user} | {'exists', session} | {'full', open, most} | {'crowded', queues, most} | {code, state}
-- holds: a user has no second open session in a queue by it; those who took part take no part any more;
--   never past the window.
--#include session places vacate opened bounds counts begin snapshot
if not s.state then return {'not_found'} end
if not (a.boss or a.by == 'u:' .. s.user) then return {'forbidden'} end
if s.state ~= 'ended' then
  if s.reopened and s.state == 'waiting' then return {'ok', snapshot()} end
  return {'wrong_state', s.state}
end
if s.queue ~= a.queue then return {'moved', s.queue, s.user} end
local blocked = redis.call('HGET', profile, 'blocked')
if blocked then return {'blocked', blocked} end
if at > s.ended + a.window then return {'too_late'} end
local held = redis.call('HGET', open, s.queue)
if held then return {'exists', string.match(held, '^[^,]+')} end
local refused = beyond(open, strange)
if refused then return refused end

vacate()
drop('agent', 'agent_info', 'agent_res', 'grabbed', 'ended', 'ended_by', 'reason', 'ending_due', 'ending_by', 'told', 'moved_by', 'blocked')
redis.call('ZREM', timers, 'expire|' .. a.session)
opened(open, s.queue, a.session)
settle_in(strange)
set.reopened = at
count_opened(a.queue, true)
await_people()
drop('bot_replied')
say('reopened', '')
begin(waiting, profile)
local reply = commit()
redis.call('PUBLISH', waiting, '+' .. a.session .. '\31' .. reply[2])
redis.call('PUBLISH', profile, cjson.encode({kind = 'mine', session = a.session}))
return reply
