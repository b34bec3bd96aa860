-- revive: a session comes back from the archive.
-- KEYS: session, log, unread, read, authors, timers, dirty, _outbox = outbox, recalled, waiting, open, listed, sessions,
--   was = waiting (the list that it is in), labelled, states, _rules = rules, stats, hooks?
-- ARGV: a = JSON (session, hash ({field, value…}), unread ({participant, count…}), read (likewise), recalled ({seq, head…}), expire (ms),
--   over? (what is there if it is older: {rev, seq, ops, queue, reads})), bytes (authors), entries... (of the log's tail: seq, at, by, key, head, body)
-- reply: {'ok'} | {'exists'}
-- holds: as after the last transition; everything it writes is in the archive; its timers run.
--#include time opened stats states labels fallen
if redis.call('EXISTS', session) == 1 and not (a.over and withdrawn(a.session, a.over)) then return {'exists'} end
local ENTRY = 6 -- texts of one message
local at, s = now(), {}
local function fill(key, list)
  redis.call('DEL', key)
  for i = 1, #list, 2 do redis.call('HSET', key, list[i], list[i + 1]) end
end
for i = 1, #a.hash, 2 do s[a.hash[i]] = a.hash[i + 1] end
redis.call('DEL', log)
for i = 1, #entries, ENTRY do
  redis.call('XADD', log, entries[i] .. '-0', 'at', entries[i + 1], 'by', entries[i + 2], 'key', entries[i + 3],
    'h', entries[i + 4], 'b', entries[i + 5])
end
fill(unread, a.unread)
fill(read, a.read)
redis.call('SET', authors, bytes)
fill(recalled, a.recalled)
redis.call('ZADD', listed, s.created, a.session)
redis.call('ZADD', sessions, s.created, a.session)
local function timer(kind, due) redis.call('ZADD', timers, due, kind .. '|' .. a.session) end
if s.state == 'ended' then
  timer('expire', at + a.expire)
else
  opened(open, s.queue, a.session)
  if s.owned then serves(s.queue, s.agent, 1) end
end
if s.state == 'waiting' then
  redis.call('ZADD', waiting, s.score, a.session)
  if tonumber(s.abandon or 0) > 0 then timer('abandon', at + s.abandon) end
  if tonumber(s.patience or 0) > 0 and not s.told then timer('patience', at + s.patience) end
  if s.sticky or s.bot_first then timer('route', at) end
elseif s.state ~= 'ended' and tonumber(s.idle or 0) > 0 then
  timer('idle', at) -- finds out when it is due
end
if s.target and tonumber(s.offer_expires) > 0 then timer('offer', s.offer_expires) end
if s.state == 'ending' and s.ending_due then timer('end', s.ending_due) end
refile(states, a.session, s.created, nil, nil, s.state, s.queue)
local fields = {}
for field in pairs(s) do fields[#fields + 1] = field end
relabel(labelled, a.session, s.created, fields)
fill(session, a.hash)
redis.call('HSET', session, 'thawed', at)
redis.call('ZADD', dirty, at, a.session)
--#hooks if s.hooked and tonumber(s.hooked) < 2 * s.seq then redis.call('ZADD', hooks, 'NX', at, a.session) end
if a.over then shown(s, a.session) end
return {'ok'}
