-- open: a user's new session, in its queue's line.
-- KEYS: session, log, unread, read, authors, timers, dirty, outbox, waiting, open, listed, sessions, profile, rate, strange, states, rules, stats, hooks?
-- ARGV: a = JSON (op, session, rules, queue, user, info, subject, meta, priority, abandon (ms), patience (ms),
--   greet?, closed?, sticky, bot? (as in lib/begin.lua), interval (µs between two opens at the rate, 0: any rate), burst,
--   known? (whether somebody has set the queue), most?, strange?, strange_most? (as in lib/bounds.lua))
-- reply: {'ok', snapshot} | {'exists', session} | {'blocked', reason} | {'full', open, most} | {'crowded', queues, most} | {'rate_limited', wait: ms}
-- holds: a user opens no second session in a queue; waiting list = sessions waiting.
--#include unread session opened bounds rate counts begin
local blocked = redis.call('HGET', profile, 'blocked')
if blocked then return {'blocked', blocked} end
local held = redis.call('HGET', open, a.queue)
if held then return {'exists', string.match(held, '^[^,]+')} end
local refused = beyond(open, strange)
if refused then return refused end
local wait = a.interval > 0 and pass(rate, at * 1000, a.interval, a.burst) or 0
if wait > 0 then return {'rate_limited', math.ceil(wait / 1000)} end

set.user, set.user_info, set.subject, set.meta = a.user, a.info, a.subject, a.meta
set.priority, set.created, set.last = a.priority, at, at
set['c:u:' .. a.user] = USER
count_opened(a.queue, a.known)
say('opened', '')
redis.call('HSET', unread, 'u:' .. a.user, 0)
redis.call('HSET', read, 'u:' .. a.user, 0)
opened(open, a.queue, a.session)
settle_in(strange)
redis.call('ZADD', listed, at, a.session)
redis.call('ZADD', sessions, at, a.session)
begin(waiting, profile)
local reply = commit()
redis.call('PUBLISH', waiting, '+' .. a.session .. '\31' .. reply[2])
redis.call('PUBLISH', profile, cjson.encode({kind = 'mine', session = a.session}))
return reply
