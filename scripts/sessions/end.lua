-- end: by the user, a supervisor or with force at once; by the owner it begins, and the user confirms.
--#flags allow-oom
-- KEYS: session, log, unread, read, authors, timers, dirty, outbox, waiting, open, profile, states, rules, stats, hooks?
-- ARGV: a = JSON (op, session, by (participant), rules, name (by's id), boss?, force?, due? (only if its `ending` is overdue),
--   queue (as waiting), reason, ttl (ms until an unanswered `ending` ends, 0 never), keep? (as in lib/memory.lua))
-- reply: {'ok', snapshot, effect…} | {'moved', queue, user} | {code, state}
-- holds: an ended session is in no list, holds no place, and never changes its state again.
--#include session places finish snapshot
if not s.state then return {'not_found'} end
local user, owner = a.by == 'u:' .. (s.user or ''), s.agent and a.by == 'a:' .. s.agent
local member = redis.call('HEXISTS', unread, a.by) == 1
if not (user or owner or a.boss or a.due or (member and s.state == 'ended')) then return {'forbidden'} end
if s.state == 'ended' then return {'ok', snapshot()} end
if s.queue ~= a.queue then return {'moved', s.queue, s.user} end
if a.due then
  if s.state ~= 'ending' or at < tonumber(s.ending_due or 0) then return {'too_early', s.ending_due or 0} end
  return finish(s.ending_by, s.reason)
end
if user or a.boss or a.force then return finish(a.name, a.reason ~= '' and a.reason or s.reason or '') end
if s.state == 'ending' then return {'ok', snapshot()} end

close_offer('cancelled')
set.state, set.reason, set.ending_by = 'ending', a.reason, a.name
if a.ttl > 0 then
  set.ending_due = at + a.ttl
  redis.call('ZADD', timers, at + a.ttl, 'end|' .. a.session)
end
say('ending', ',"by":' .. cjson.encode(a.name) .. ',"reason":' .. cjson.encode(a.reason))
return commit()
