-- block: a user is kept out, or let in again.
--#flags allow-oom
-- KEYS: profile, open, dirty, sessions... = session (as a.sessions)
-- ARGV: a = JSON (who (participant), info (of one never seen), blocked, reason, sessions)
-- reply: {'ok'} | {'moved'}: it has other sessions open, which must be told, too
-- holds: from now on it opens none, so that `moved` comes to an end; what is told a session, `send` sees.
--#include time
redis.call('HSETNX', profile, 'info', a.info)
if a.blocked then
  redis.call('PERSIST', profile)
  redis.call('HSET', profile, 'blocked', 1, 'blocked_reason', a.reason)
  redis.call('PUBLISH', profile, '{"kind":"removed"}')
else
  redis.call('HDEL', profile, 'blocked', 'blocked_reason')
end
redis.call('ZADD', dirty, now(), 'profile|' .. a.who)

local told = {}
for i, id in ipairs(a.sessions) do
  told[id] = true
  if not a.blocked then
    redis.call('HDEL', sessions[i], 'blocked')
  elseif redis.call('EXISTS', sessions[i]) == 1 then
    redis.call('HSET', sessions[i], 'blocked', 1)
  end
end
for _, ids in ipairs(redis.call('HVALS', open)) do
  for id in string.gmatch(ids, '[^,]+') do
    if not told[id] then return {'moved'} end
  end
end
return {'ok'}
