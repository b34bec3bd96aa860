-- takeover: a supervisor who holds a place for it owns the session from now on, whatever state it is in.
-- KEYS: session, log, unread, read, authors, timers, dirty, outbox, waiting, states, rules, stats, hooks?
-- ARGV: a = JSON (op, session, rules, agent, info, token, queue (as waiting), idle (ms by queue))
-- reply: {'ok', snapshot, effect…} | {'mine', snapshot}: the node finds out which token is the place's | {'moved', queue, user} | {'late'} | {code} | {'kept', one of these}
-- holds: one owner, whose old place is owed back; an open offer ends.
--#include session seats places line counts serve snapshot
if not s.state then return {'not_found'} end
if s.state == 'ended' then return {'ended'} end
if s.agent == a.agent then return {'mine', snapshot()} end
if s.queue ~= a.queue then return {'moved', s.queue, s.user} end
if fenced() then return refuse('late') end

local mine = take_offer(a.agent)
count_taken(a.agent)
drop('as:' .. a.agent, 'ending_due', 'ending_by', 'reason')
redis.call('ZREM', timers, 'end|' .. a.session)
if s.agent then
  say('transferred', ',"from":' .. s.agent_info .. ',"to":' .. a.info .. ',"by":' .. cjson.encode(a.agent))
  exit(s.agent)
  owe(s.agent, 'past', s.agent_res, false)
else
  say('grabbed', ',"agent":' .. a.info)
  step_out(waiting, a.agent)
end
serve(a.agent, a.info, a.token, mine and {kind = 'offer-ended', outcome = 'accepted'} or nil)
return commit()
