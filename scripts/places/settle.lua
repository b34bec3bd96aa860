-- settle: an agent's partition learns what a session's partition decided. Idempotent, in any order.
--#flags allow-oom
-- KEYS: profile, load, mine, listed, timers, stats, presences
-- ARGV: e = JSON (agent, session, rev, role (owner | target | assistant | past | none | expired), token, hold, created?, ended?, extra?,
--   sure? (rev may be lower than known: the session fell back), trace? (as in lib/session.lua)), channels (prefix of queue channels)
-- reply: {'ok'}
-- holds: a place goes only by the token that took it, so that a late effect never takes a newer place away;
--   an older rev never overwrites a newer.
--#include time presence
local at = now() -- of this partition's server: the session's may have another clock
local place = redis.call('HGET', load, e.session)
if place and e.token ~= '' and string.sub(place, 1, #e.token) == e.token then
  if e.hold then
    redis.call('HSET', load, e.session, e.token .. '|held')
  else
    redis.call('HDEL', load, e.session)
  end
  redis.call('ZREM', timers, 'place|' .. e.session .. '|' .. e.agent)
  redis.call('HSET', profile, 'idle_at', at)
end
if e.role == 'expired' then
  redis.call('HDEL', mine, e.session)
  redis.call('ZREM', listed, e.session)
  return {'ok'}
end
local known = redis.call('HGET', mine, e.session)
if e.rev > 0 and (not known or e.sure or tonumber(string.match(known, '^%d+')) <= e.rev) then
  local over = (e.ended or e.role == 'past' or e.role == 'none') and at or 0
  redis.call('HSET', mine, e.session, e.rev .. '|' .. e.role .. '|' .. over)
  if e.role ~= 'none' and e.role ~= 'target' then redis.call('ZADD', listed, 'NX', e.created or at, e.session) end
end
e.kind = 'mine'
redis.call('PUBLISH', profile, cjson.encode(e))
announce(profile, load, channels, e.agent)
return {'ok'}
