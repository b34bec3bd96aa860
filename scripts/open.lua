-- open: a user's new session, at the end of its queue.
-- KEYS  1–8 as in lib/session.lua, 9 waiting list, 10 the user's open sessions,
--       11 the user's sessions, 12 all sessions of the partition, 13 the user's profile
-- ARGV  {op, session, queue, user, info, subject, meta, priority, abandon: ms, known: whether somebody has set the queue}
-- reply {'ok', snapshot} | {'exists', session} | {'blocked', reason}
-- holds a user opens no second session in a queue; waiting list = sessions waiting.
--#include time unread session opened places stats counts
local blocked = redis.call('HGET', KEYS[13], 'blocked')
if blocked then return {'blocked', blocked} end
local held = redis.call('HGET', KEYS[10], a.queue)
if held then return {'exists', string.match(held, '^[^,]+')} end

set.state, set.queue, set.user, set.user_info = 'waiting', a.queue, a.user, a.info
set.subject, set.meta, set.priority, set.created, set.last = a.subject, a.meta, a.priority, at, at
set['c:u:' .. a.user] = 1
count_opened(a.queue, a.known)
say('opened', '')
redis.call('HSET', KEYS[3], 'u:' .. a.user, 0)
redis.call('HSET', KEYS[4], 'u:' .. a.user, 0)
opened(KEYS[10], a.queue, a.session)
redis.call('ZADD', KEYS[11], at, a.session)
redis.call('ZADD', KEYS[12], at, a.session)
local score = (9 - a.priority) * 1e13 + at
redis.call('ZADD', KEYS[9], score, a.session)
if a.abandon > 0 then redis.call('ZADD', KEYS[6], at + a.abandon, 'abandon|' .. a.session) end
set.abandon, set.waiting_since, set.score = a.abandon, at, score
local reply = commit()
redis.call('PUBLISH', KEYS[9], '+' .. a.session .. '\31' .. reply[2])
redis.call('PUBLISH', KEYS[13], cjson.encode({kind = 'mine', session = a.session}))
return reply
