-- block: a user is kept out, or let in again.
--#flags allow-oom
-- KEYS  1 the user's profile 2 its open sessions 3 dirty 4… those sessions
-- ARGV  {who (participant), info: of one never seen, blocked, reason, sessions: as KEYS 4…}
-- reply {'ok'} | {'moved'}: it has other sessions open, which must be told, too
-- holds from now on it opens none, so that `moved` comes to an end; what is told a session, `send` sees.
--#include time
local a = cjson.decode(ARGV[1])
redis.call('HSETNX', KEYS[1], 'info', a.info)
if a.blocked then
  redis.call('PERSIST', KEYS[1])
  redis.call('HSET', KEYS[1], 'blocked', 1, 'blocked_reason', a.reason)
  redis.call('PUBLISH', KEYS[1], '{"kind":"removed"}')
else
  redis.call('HDEL', KEYS[1], 'blocked', 'blocked_reason')
end
redis.call('ZADD', KEYS[3], now(), 'profile|' .. a.who)

local told = {}
for i, id in ipairs(a.sessions) do
  told[id] = true
  if not a.blocked then
    redis.call('HDEL', KEYS[3 + i], 'blocked')
  elseif redis.call('EXISTS', KEYS[3 + i]) == 1 then
    redis.call('HSET', KEYS[3 + i], 'blocked', 1)
  end
end
for _, ids in ipairs(redis.call('HVALS', KEYS[2])) do
  for id in string.gmatch(ids, '[^,]+') do
    if not told[id] then return {'moved'} end
  end
end
return {'ok'}
