-- rate: what the user thought of an ended session, once.
-- KEYS: session, log, unread, read, authors, timers, dirty, outbox, states, rules, stats, hooks?
-- ARGV: a = JSON (op, session, by (participant), boss?, score, comment, window (ms since its end))
-- reply: {'ok', snapshot} | {code, state}
-- holds: a rating never changes.
--#include session counts snapshot
if not s.state then return {'not_found'} end
if not (a.boss or a.by == 'u:' .. s.user) then return {'forbidden'} end
if s.state ~= 'ended' then return {'wrong_state', s.state} end
if s.rating then
  local r = cjson.decode(s.rating)
  if r.score == a.score and r.comment == a.comment then return {'ok', snapshot()} end
  return {'rated'}
end
if at > s.ended + a.window then return {'too_late'} end
rated(a.score)
set.rating = cjson.encode({score = a.score, comment = a.comment, at = at})
return commit()
