-- abandon: ends a waiting session whose user has been without a connection for too long; else sets its timer anew.
--#flags allow-oom
-- KEYS  1–8 as in lib/session.lua, 9 waiting list of its queue, 10 the user's open sessions,
--       11 the user's profile, 12 its connections, 13 epoch
-- ARGV  {op, session, queue: as KEYS 9, keep: as in lib/memory.lua}
-- reply {'ok', snapshot} | {'moved', queue, user} | {'too_early'}
-- holds as `end`; a user who is connected is never abandoned, nor is the message of one who was told to leave it.
--#include time unread session seats places line opened stats counts memory finish epoch
local timer, wait = 'abandon|' .. a.session, tonumber(s.abandon or 0)
local left = s.told and count(KEYS[5], 1, seq, -1, false) > 0
if s.state ~= 'waiting' or wait == 0 or left then
  redis.call('ZREM', KEYS[6], timer)
  return {'too_early'}
end
if s.queue ~= a.queue then return {'moved', s.queue, s.user} end
local since = at
if redis.call('HLEN', KEYS[12]) == 0 then
  since = math.max(tonumber(redis.call('HGET', KEYS[11], 'away') or 0), tonumber(s.waiting_since))
end
-- Until then its node may not have told that it is connected.
local due = math.max(since + wait, settling(KEYS[13]))
if at < due then
  redis.call('ZADD', KEYS[6], due, timer)
  return {'too_early'}
end
return finish(s.user, 'abandoned', true)
