-- settle: an agent's partition learns what a session's partition decided. Idempotent, in any order.
--#flags allow-oom
-- KEYS  1 the agent's profile 2 its load 3 its live sessions 4 all its sessions 5 timers 6 statistics
-- ARGV  1 effect: {agent, session, rev, role: owner | target | assistant | past | none | expired, token, hold, created, ended, extra,
--        sure: rev may be lower than known: the session fell back}
--       2 prefix of queue channels
-- reply {'ok'}
-- holds a place goes only by the token that took it, so that a late effect never takes a newer place away;
--       an older rev never overwrites a newer.
--#include time stats occupancy presence
local e = cjson.decode(ARGV[1])
local at = now() -- of this partition's server: the session's may have another clock
local place = redis.call('HGET', KEYS[2], e.session)
if place and e.token ~= '' and string.sub(place, 1, #e.token) == e.token then
  if e.hold then
    redis.call('HSET', KEYS[2], e.session, e.token .. '|held')
  else
    redis.call('HDEL', KEYS[2], e.session)
  end
  redis.call('ZREM', KEYS[5], 'place|' .. e.session .. '|' .. e.agent)
  redis.call('HSET', KEYS[1], 'idle_at', at)
end
if e.role == 'expired' then
  redis.call('HDEL', KEYS[3], e.session)
  redis.call('ZREM', KEYS[4], e.session)
  return {'ok'}
end
local known = redis.call('HGET', KEYS[3], e.session)
if e.rev > 0 and (not known or e.sure or tonumber(string.match(known, '^%d+')) <= e.rev) then
  local over = (e.ended or e.role == 'past' or e.role == 'none') and at or 0
  redis.call('HSET', KEYS[3], e.session, e.rev .. '|' .. e.role .. '|' .. over)
  if e.role ~= 'none' and e.role ~= 'target' then redis.call('ZADD', KEYS[4], 'NX', e.created or at, e.session) end
end
e.kind = 'mine'
redis.call('PUBLISH', KEYS[1], cjson.encode(e))
announce(KEYS[1], KEYS[2], ARGV[2], e.agent)
return {'ok'}
