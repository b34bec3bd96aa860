-- read: moves a participant's mark forward.
--#flags allow-oom
-- KEYS: session, unread, read, authors, dirty
-- ARGV: id, by, upto = number (seq), origin (the reading connection)
-- reply: {'ok', unread, mark} | {code}
-- holds: unread = messages of others it may see above its mark; a mark never goes back.
--#include time unread
local seq = upto
local s = redis.call('HMGET', session, 'seq', 'c:' .. by)
if not s[1] then return {'not_found'} end
local n = redis.call('HGET', unread, by)
if not n then return {'forbidden'} end
local last, mark = tonumber(s[1]), tonumber(redis.call('HGET', read, by) or 0)
if seq > last then seq = last end
if seq <= mark then return {'ok', tonumber(n), mark} end

local own, user = tonumber(s[2]), string.sub(by, 1, 2) == 'u:'
if last - seq <= seq - mark then
  n = count(authors, seq + 1, last, own, user)
else
  n = n - count(authors, mark + 1, seq, own, user)
end
redis.call('HSET', unread, by, n)
redis.call('HSET', read, by, seq)
redis.call('ZADD', dirty, 'NX', now(), id)
redis.call('PUBLISH', session, table.concat({'R' .. by, seq, n, origin}, '\31'))
return {'ok', n, seq}
