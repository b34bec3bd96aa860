-- expire: a session that ended long enough ago, and that the archive has whole, leaves Redis.
--#flags allow-oom
-- KEYS  1 session 2 log 3 unread 4 read 5 authors 6 recalled 7 keys 8 dirty 9 timers 10 outbox
--       11 the user's sessions 12 all sessions of the partition 13 those by state
-- ARGV  {session, after: ms since its end}
-- reply {'ok', effect…} | {'too_early'}
-- holds nothing leaves that the archive has not acknowledged, nor what a webhook waits for.
--#include time states
local a = cjson.decode(ARGV[1])
local at = now()
local f, s = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #f, 2 do s[f[i]] = f[i + 1] end
if s.state then
  local whole = s.state == 'ended' and tonumber(s.archived or 0) >= tonumber(s.seq) and (s.recalls or '') == '' and
    (s.aside or '') == '' and not redis.call('ZSCORE', KEYS[8], a.session)
  --#hooks whole = whole and not redis.call('ZSCORE', KEYS[#KEYS], a.session)
  if not whole then
    redis.call('ZADD', KEYS[9], at + 60000, 'expire|' .. a.session)
    return {'too_early'}
  end
  local due = math.max(tonumber(s.ended), tonumber(s.thawed or 0)) + a.after
  if at < due then
    redis.call('ZADD', KEYS[9], due, 'expire|' .. a.session)
    return {'too_early'}
  end
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7])
redis.call('ZREM', KEYS[11], a.session)
redis.call('ZREM', KEYS[12], a.session)
if s.state then refile(KEYS[13], a.session, s.created, s.state, s.queue) end
-- Agents' partitions forget it, too.
local effects = {}
for field in pairs(s) do
  if string.sub(field, 1, 4) == 'c:a:' then
    local effect = cjson.encode({agent = string.sub(field, 5), session = a.session, rev = tonumber(s.rev) + 1,
      role = 'expired', token = '', hold = false, at = at, ended = true})
    redis.call('ZADD', KEYS[10], at + 2000, effect)
    effects[#effects + 1] = effect
  end
end
return {'ok', unpack(effects)}
