-- idle: warns in a served session in which nobody writes, then ends it; else sets its timer anew.
--#flags allow-oom
-- KEYS  1–8 as in lib/session.lua, 9 waiting list of its queue, 10 the user's open sessions, 11 the user's profile
-- ARGV  {op, session, queue: as KEYS 9, keep: as in lib/memory.lua}
-- reply {'ok', snapshot, effect…} | {'moved', queue, user} | {'too_early'}
-- holds as `end`; nobody is cut off who wrote since the warning; the warning comes a minute, or half the time, before.
--#include time unread session seats places line opened stats counts memory finish
local limit = tonumber(s.idle or 0)
if limit == 0 or s.state == 'waiting' or s.state == 'ended' then
  timer('idle', 0)
  return {'too_early'}
end
if s.queue ~= a.queue then return {'moved', s.queue, s.user} end
local notice = math.min(60000, math.floor(limit / 2))
-- Nobody could write while the session was not in Redis.
local since = math.max(tonumber(s.last), tonumber(s.idle_since), tonumber(s.thawed or 0))
if s.state == 'ending' then -- ends by itself, or is served again
  timer('idle', math.max(since + limit - at, 1000))
  return {'too_early'}
end
local warned = tonumber(s.idle_warned or 0)
if warned < since then
  if at < since + limit - notice then
    timer('idle', since + limit - notice - at)
    return {'too_early'}
  end
  set.idle_warned = at
  timer('idle', notice)
  say('idle-warning', ',"seconds":' .. math.ceil(notice / 1000))
  return commit()
end
if at < warned + notice then
  timer('idle', warned + notice - at)
  return {'too_early'}
end
return finish('', 'idle')
