-- open: a user's new session, in its queue's line.
-- KEYS  1–8 as in lib/session.lua, 9 waiting list, 10 the user's open sessions,
--       11 the user's sessions, 12 all sessions of the partition, 13 the user's profile,
--       14 the user's rate of opens 15 strange: queues that nobody has set or serves
-- ARGV  {op, session, queue, user, info, subject, meta, priority, abandon: ms, patience: ms,
--        greet, closed, sticky, bot: as in lib/line.lua,
--        interval: µs between two opens at the rate, 0: any rate; burst; known: whether somebody has set the queue;
--        most, strange, strange_most: as in lib/bounds.lua}
-- reply {'ok', snapshot} | {'exists', session} | {'blocked', reason} | {'full', open, most} | {'crowded', queues, most} | {'rate_limited', wait: ms}
-- holds a user opens no second session in a queue; waiting list = sessions waiting.
--#include time unread session places line opened bounds rate stats counts
local blocked = redis.call('HGET', KEYS[13], 'blocked')
if blocked then return {'blocked', blocked} end
local held = redis.call('HGET', KEYS[10], a.queue)
if held then return {'exists', string.match(held, '^[^,]+')} end
local refused = beyond(KEYS[10], KEYS[15])
if refused then return refused end
local wait = a.interval > 0 and pass(KEYS[14], at * 1000, a.interval, a.burst) or 0
if wait > 0 then return {'rate_limited', math.ceil(wait / 1000)} end

set.user, set.user_info, set.subject, set.meta = a.user, a.info, a.subject, a.meta
set.priority, set.created, set.last = a.priority, at, at
set['c:u:' .. a.user] = 1
count_opened(a.queue, a.known)
say('opened', '')
redis.call('HSET', KEYS[3], 'u:' .. a.user, 0)
redis.call('HSET', KEYS[4], 'u:' .. a.user, 0)
opened(KEYS[10], a.queue, a.session)
settle_in(KEYS[15])
redis.call('ZADD', KEYS[11], at, a.session)
redis.call('ZADD', KEYS[12], at, a.session)
begin(KEYS[9], KEYS[13])
local reply = commit()
redis.call('PUBLISH', KEYS[9], '+' .. a.session .. '\31' .. reply[2])
redis.call('PUBLISH', KEYS[13], cjson.encode({kind = 'mine', session = a.session}))
return reply
