-- claim: a waiting session gets the agent who holds a place for it (the second half of a grab).
-- KEYS: session, log, unread, read, authors, timers, dirty, outbox, waits... = waiting (as a.queues), states, rules, stats, hooks?
-- ARGV: a = JSON (op, session, rules, agent, info, token, queues (the agent's), idle (ms by queue), bot?, auto? (nobody asked for it))
-- reply: {'ok', snapshot, effect…} | {'mine', snapshot}: the node finds out which token is the place's | {'taken', owner} | {'late'} | {code} | {'kept', one of these}
-- holds: one owner; only out of one's own queues; never for a place that was given up.
--#include session places line counts serve snapshot
if not s.state then return {'not_found'} end
if s.agent == a.agent and s.state ~= 'ended' then return {'mine', snapshot()} end
local list
for i, q in ipairs(a.queues) do if q == s.queue then list = waits[i] end end
if not list then return refuse('forbidden') end
if s.state == 'ended' then return {'ended'} end
if s.state ~= 'waiting' then return refuse('taken', s.agent) end
if a.auto and s.target and s.target ~= a.agent then return {'taken', s.target} end
if fenced() then return refuse('late') end

local mine = take_offer(a.agent)
count_taken(a.agent)
say('grabbed', ',"agent":' .. a.info)
serve(a.agent, a.info, a.token, mine and {kind = 'offer-ended', outcome = 'accepted'} or nil)
step_out(list, a.agent)
return commit()
