-- withdraw: an open offer ends without a new owner.
--#flags allow-oom
-- KEYS: session, log, unread, read, authors, timers, dirty, outbox, states, rules, stats, hooks?
-- ARGV: a = JSON (op, session, by ('' for the broker itself), boss?, outcome (declined | cancelled | expired), reason,
--   entry? (a note {by, mid, head, body} of the target's))
-- reply: {'ok', snapshot, effect} | {code, state}
-- holds: the owner, or the wait, never changed; the target's place is owed back.
--#include session seats places snapshot
if not s.state then return {'not_found'} end
local may = a.outcome == 'expired' or a.boss or s.agent == a.by
if a.outcome == 'declined' then may = s.target == a.by or s.last_target == a.by end
if not may then return {'forbidden'} end
if s.state == 'ended' then return {'ended'} end
if not s.target or a.outcome == 'declined' and s.target ~= a.by then
  local again = a.outcome ~= 'expired' and not s.target and s.last_outcome == a.outcome
  if again and (s.state == 'serving' or s.state == 'waiting') then return {'ok', snapshot()} end
  return {'wrong_state', s.state}
end
local expires = tonumber(s.offer_expires)
if a.outcome == 'expired' and (expires == 0 or at < expires) then return {'too_early', expires} end

if a.entry then
  append(a.entry.mid, a.entry.head, a.entry.body, a.entry.by, code(a.by), true)
  for _, p in ipairs(redis.call('HKEYS', unread)) do
    if p ~= a.entry.by and string.sub(p, 1, 2) == 'a:' then redis.call('HINCRBY', unread, p, 1) end
  end
end
if s.state == 'transferring' then set.state = 'serving' end
say('declined', ',"by":' .. cjson.encode(s.target) .. ',"outcome":"' .. a.outcome .. '","reason":' .. cjson.encode(a.reason))
close_offer(a.outcome)
return commit()
