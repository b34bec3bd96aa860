-- Waiting in a queue. For transitions, after session.

-- A level of priority is worth ten minutes of waiting, so that a low one is never
-- starved; what goes ahead of its queue passes everything else.
local LEVEL, AHEAD = 600000, 1e13

-- timer(kind, ms): falls due after that time; 0: never.
local function timer(kind, ms)
  if ms > 0 then
    redis.call('ZADD', KEYS[6], at + ms, kind .. '|' .. a.session)
  else
    redis.call('ZREM', KEYS[6], kind .. '|' .. a.session)
  end
end

-- line_up(list, queue, queued, ahead): the session waits from now on; queued is since when,
-- for its place. a.abandon and a.patience: ms, 0 never.
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
  redis.call('ZREM', KEYS[6], 'abandon|' .. a.session, 'patience|' .. a.session, 'route|' .. a.session)
  redis.call('PUBLISH', list, '-' .. a.session .. '\31' .. by)
end

-- begin(): a user's new wait. a.greet: what to tell the user, {mid, body}, or nil; a.closed: outside
-- the queue's hours; a.sticky: ms, or 0; a.bot: whether one gets it first. KEYS[profile]: the user's.
local function begin(list, profile)
  if a.greet then
    append(a.greet.mid, '"mid":"' .. a.greet.mid .. '","from":{"id":"","role":"system","name":""},"type":"system"',
      a.greet.body, '', 0, false)
  end
  if a.closed then set.told = at end
  local last = redis.call('HMGET', profile, 'last_agent', 'last_at')
  if a.sticky > 0 and last[1] and at <= last[2] + a.sticky then set.sticky = last[1] end
  if a.bot then set.bot_first = 1 end
  line_up(list, a.queue, at, false)
  if set.sticky or a.bot then timer('route', 1000) end
end
