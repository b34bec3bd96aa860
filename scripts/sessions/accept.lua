-- accept: the offer's target becomes the owner.
-- KEYS: session, log, unread, read, authors, timers, dirty, outbox, waiting, states, rules, stats, hooks?
-- ARGV: a = JSON (op, session, by, rules, queue (as waiting), idle (ms by queue), bot?)
-- reply: {'ok', snapshot, effect…} | {'moved', queue, user} | {code, state}
-- holds: one owner, the old until now, the new from now on; its place was held since the offer.
--#include session seats places line counts serve snapshot
if not s.state then return {'not_found'} end
if not (s.agent == a.by or s.target == a.by or s.last_target == a.by) then return {'forbidden'} end
if s.state == 'ended' then return {'ended'} end
if s.agent == a.by then return {'ok', snapshot()} end
if s.target ~= a.by then return {'wrong_state', s.state} end
if s.queue ~= a.queue then return {'moved', s.queue, s.user} end
local expires = tonumber(s.offer_expires)
if expires > 0 and at >= expires then return {'too_late'} end

local old, info, token = s.agent, s.target_info, s.target_res
take_offer(a.by)
count_taken(a.by)
drop('as:' .. a.by)
if old then
  say('transferred', ',"from":' .. s.agent_info .. ',"to":' .. info)
  exit(old)
  owe(old, 'past', s.agent_res, false)
  local grabbed = s.grabbed
  serve(a.by, info, token, {kind = 'offer-ended', outcome = 'accepted'})
  set.grabbed = grabbed
else
  say('grabbed', ',"agent":' .. info)
  serve(a.by, info, token, {kind = 'offer-ended', outcome = 'accepted'})
  step_out(waiting, a.by)
end
return commit()
