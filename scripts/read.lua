-- read: moves a participant's mark forward.
--#flags allow-oom
-- KEYS  1 session 2 unread 3 read 4 authors 5 dirty
-- ARGV  1 session id 2 by 3 seq 4 the reading connection
-- reply {'ok', unread, mark} | {code}
-- holds unread = messages of others it may see above its mark; a mark never goes back.
--#include time unread
local by, seq = ARGV[2], tonumber(ARGV[3])
local s = redis.call('HMGET', KEYS[1], 'seq', 'c:' .. by)
if not s[1] then return {'not_found'} end
local unread = redis.call('HGET', KEYS[2], by)
if not unread then return {'forbidden'} end
local last, mark = tonumber(s[1]), tonumber(redis.call('HGET', KEYS[3], by) or 0)
if seq > last then seq = last end
if seq <= mark then return {'ok', tonumber(unread), mark} end

local own, user = tonumber(s[2]), string.sub(by, 1, 2) == 'u:'
if last - seq <= seq - mark then
  unread = count(KEYS[4], seq + 1, last, own, user)
else
  unread = unread - count(KEYS[4], mark + 1, seq, own, user)
end
redis.call('HSET', KEYS[2], by, unread)
redis.call('HSET', KEYS[3], by, seq)
redis.call('ZADD', KEYS[5], 'NX', now(), ARGV[1])
redis.call('PUBLISH', KEYS[1], table.concat({'R' .. by, seq, unread, ARGV[4]}, '\31'))
return {'ok', unread, seq}
