-- abandon: ends a waiting session whose user has been without a connection for too long; else sets its timer anew.
-- KEYS  1–8 as in lib/session.lua, 9 waiting list of its queue, 10 the user's open sessions,
--       11 the user's connections, 12 the user's profile
-- ARGV  {op, session, queue: as KEYS 9}
-- reply {'ok', snapshot} | {'moved', queue, user} | {'too_early'}
-- holds as `end`; a user who is connected is never abandoned.
--#include time unread session seats places opened stats counts finish
local timer, wait = 'abandon|' .. a.session, tonumber(s.abandon or 0)
if s.state ~= 'waiting' or wait == 0 then
  redis.call('ZREM', KEYS[6], timer)
  return {'too_early'}
end
if s.queue ~= a.queue then return {'moved', s.queue, s.user} end
local since = at
if redis.call('HLEN', KEYS[11]) == 0 then
  since = math.max(tonumber(redis.call('HGET', KEYS[12], 'away') or 0), tonumber(s.waiting_since))
end
if at < since + wait then
  redis.call('ZADD', KEYS[6], since + wait, timer)
  return {'too_early'}
end
return finish(s.user, 'abandoned', true)
