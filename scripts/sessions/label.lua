-- label: staff's words on a session come and go. The log does not tell.
-- KEYS: session, log, unread, read, authors, timers, dirty, outbox, waiting, labelled, states, rules, stats, hooks?
-- ARGV: a = JSON (op, session, by, rules, boss?, queue (as waiting), add?, remove? (labels, none in both), max (labels of one session))
-- reply: {'ok', snapshot} | {'moved', queue, user} | {code, detail}
-- holds: `labelled` says the same as the session; what two add at one moment both stays; where nothing changes, rev stays; `quiet` is how many of the
--   session's changes are no business of its user's, who is shown a rev without them.
--#include session seats snapshot labels
if not s.state then return {'not_found'} end
local mine = redis.call('HEXISTS', unread, 'a:' .. a.by) == 1 or s.state == 'ended' and took_part(a.by)
if not (a.boss or mine) then return {'forbidden'} end
if s.queue ~= a.queue then return {'moved', s.queue, s.user} end

local n, added, fields = 0, 0, {}
for f in pairs(s) do
  if string.sub(f, 1, 2) == 'l:' then n = n + 1 end
end
for _, label in ipairs(a.remove or {}) do
  if s['l:' .. label] then del[#del + 1] = 'l:' .. label end
end
for _, label in ipairs(a.add or {}) do
  if not s['l:' .. label] then
    set['l:' .. label] = at
    fields[#fields + 1] = 'l:' .. label
    added = added + 1
  end
end
if added > 0 and n - #del + added > a.max then
  return {'too_large', 'labels: at most ' .. a.max .. ' of a session'}
end
if added == 0 and #del == 0 then return {'ok', snapshot()} end
relabel(labelled, a.session, s.created, del, true)
relabel(labelled, a.session, s.created, fields)
set.quiet = (s.quiet or 0) + 1
local reply = commit()
if s.state == 'waiting' then redis.call('PUBLISH', waiting, '+' .. a.session .. '\31' .. reply[2]) end
return reply
