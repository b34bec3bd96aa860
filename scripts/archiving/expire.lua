-- expire: a session that ended long enough ago, and that the archive has whole, leaves Redis.
--#flags allow-oom
-- KEYS: session, log, unread, read, authors, recalled, keys, dirty, timers, outbox, listed, sessions, states, labelled, hooks?
-- ARGV: a = JSON (session, after (ms since its end))
-- reply: {'ok', effect…} | {'too_early'}
-- holds: nothing leaves that the archive has not acknowledged, nor what a webhook waits for.
--#include time states labels
local AGAIN = 60000 -- ms until it is looked at again
local SETTLED = 2000 -- ms, as in lib/places.lua
local at = now()
local f, s = redis.call('HGETALL', session), {}
for i = 1, #f, 2 do s[f[i]] = f[i + 1] end
if s.state then
  local whole = s.state == 'ended' and tonumber(s.archived or 0) >= tonumber(s.seq) and (s.recalls or '') == '' and
    (s.aside or '') == '' and not redis.call('ZSCORE', dirty, a.session)
  --#hooks whole = whole and not redis.call('ZSCORE', hooks, a.session)
  if not whole then
    redis.call('ZADD', timers, at + AGAIN, 'expire|' .. a.session)
    return {'too_early'}
  end
  local due = math.max(tonumber(s.ended), tonumber(s.thawed or 0)) + a.after
  if at < due then
    redis.call('ZADD', timers, due, 'expire|' .. a.session)
    return {'too_early'}
  end
end
redis.call('DEL', session, log, unread, read, authors, recalled, keys)
redis.call('ZREM', listed, a.session)
redis.call('ZREM', sessions, a.session)
local fields = {}
for field in pairs(s) do fields[#fields + 1] = field end
if s.state then
  relabel(labelled, a.session, s.created, fields, true)
  refile(states, a.session, s.created, s.state, s.queue)
end
-- Agents' partitions forget it, too.
local effects = {}
for field in pairs(s) do
  if string.sub(field, 1, 4) == 'c:a:' then
    local effect = cjson.encode({agent = string.sub(field, 5), session = a.session, rev = tonumber(s.rev) + 1,
      role = 'expired', token = '', hold = false, at = at, ended = true})
    redis.call('ZADD', outbox, at + SETTLED, effect)
    effects[#effects + 1] = effect
  end
end
return {'ok', unpack(effects)}
