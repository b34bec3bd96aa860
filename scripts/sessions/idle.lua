-- idle: warns in a served session in which nobody writes, then ends it; else sets its timer anew.
--#flags allow-oom
-- KEYS: session, log, unread, read, authors, timers, dirty, outbox, waiting, open, profile, states, rules, stats, hooks?
-- ARGV: a = JSON (op, session, rules, queue (as waiting), keep? (as in lib/memory.lua))
-- reply: {'ok', snapshot, effect…} | {'moved', queue, user} | {'too_early'}
-- holds: as `end`; nobody is cut off who wrote since the warning; the warning comes a minute, or half the time, before.
--#include session line finish idle
local AGAIN = 1000 -- ms
local limit = tonumber(s.idle or 0)
if limit == 0 or s.state == 'waiting' or s.state == 'ended' then
  timer('idle', 0)
  return {'too_early'}
end
if s.queue ~= a.queue then return {'moved', s.queue, s.user} end
local before = notice(limit)
-- Nobody could write while the session was not in Redis.
local since = math.max(tonumber(s.last), tonumber(s.idle_since), tonumber(s.thawed or 0))
if s.state == 'ending' then -- ends by itself, or is served again
  timer('idle', math.max(since + limit - at, AGAIN))
  return {'too_early'}
end
local warned = tonumber(s.idle_warned or 0)
if warned <= since then -- what was written in the same millisecond came after: else nobody had been warned
  if at < since + limit - before then
    timer('idle', since + limit - before - at)
    return {'too_early'}
  end
  set.idle_warned = at
  timer('idle', before)
  say('idle-warning', ',"seconds":' .. math.ceil(before / 1000))
  return commit()
end
if at < warned + before then
  timer('idle', warned + before - at)
  return {'too_early'}
end
return finish('', 'idle')
