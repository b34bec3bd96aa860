-- rate: what the user thought of an ended session, once.
-- KEYS  1–8 as in lib/session.lua
-- ARGV  {op, session, by (participant), boss, score, comment, window: ms since its end}
-- reply {'ok', snapshot} | {code, state}
-- holds a rating never changes.
--#include time unread session places stats counts
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
