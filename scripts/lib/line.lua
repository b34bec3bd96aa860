-- Waiting in a queue. Those who let a session wait give abandon and patience: ms, 0 never.
-- KEYS: timers
-- ARGV: a = JSON (session, abandon?, patience?)
--#include session

-- A level of priority is worth ten minutes of waiting, so that a low one is never
-- starved; what goes ahead of its queue passes everything else.
local LEVEL, AHEAD = 600000, 1e13

-- timer(kind, ms): falls due after that time; 0: never.
local function timer(kind, ms)
  if ms > 0 then
    redis.call('ZADD', timers, at + ms, kind .. '|' .. a.session)
  else
    redis.call('ZREM', timers, kind .. '|' .. a.session)
  end
end

-- line_up(list, queue, queued, ahead): the session waits from now on; queued is since when,
-- for its place.
local function line_up(list, queue, queued, ahead)
  local score = queued - (set.priority or s.priority) * LEVEL - (ahead and AHEAD or 0)
  redis.call('ZADD', list, score, a.session)
  set.state, set.queue, set.queued, set.waiting_since, set.score = 'waiting', queue, queued, at, score
  set.abandon, set.patience = a.abandon, a.patience
  timer('abandon', a.abandon)
  timer('patience', (s.told or set.told) and 0 or a.patience)
end

-- step_out(list, by): it waits no more.
local function step_out(list, by)
  redis.call('ZREM', list, a.session)
  redis.call('ZREM', timers, 'abandon|' .. a.session, 'patience|' .. a.session, 'route|' .. a.session)
  redis.call('PUBLISH', list, '-' .. a.session .. '\31' .. by)
end
