-- abandon: ends a waiting session whose user has been without a connection for too long; else sets its timer anew.
--#flags allow-oom
-- KEYS: session, log, unread, read, authors, timers, dirty, outbox, waiting, open, profile, conns, epoch, states, rules, stats, hooks?
-- ARGV: a = JSON (op, session, rules, queue (as waiting), keep? (as in lib/memory.lua))
-- reply: {'ok', snapshot} | {'moved', queue, user} | {'too_early'}
-- holds: as `end`; a user who is connected is never abandoned, nor is the message of one who was told to leave it.
--#include unread session finish epoch
local timer, wait = 'abandon|' .. a.session, tonumber(s.abandon or 0)
local left = s.told and count(authors, 1, seq, -1, false) > 0
if s.state ~= 'waiting' or wait == 0 or left then
  redis.call('ZREM', timers, timer)
  return {'too_early'}
end
if s.queue ~= a.queue then return {'moved', s.queue, s.user} end
local since = at
if redis.call('HLEN', conns) == 0 then
  since = math.max(tonumber(redis.call('HGET', profile, 'away') or 0), tonumber(s.waiting_since))
end
-- Until then its node may not have told that it is connected.
local due = math.max(since + wait, settling(epoch))
if at < due then
  redis.call('ZADD', timers, due, timer)
  return {'too_early'}
end
return finish(s.user, 'abandoned', true)
