-- hooked: what became of a session's events, from the node that holds the session.
--#flags allow-oom
-- KEYS  1 session 2 hooks 3 hooks-late 4 dead 5 dirty 6 log 7 recalled
-- ARGV  {session, lease, at: how far, two steps a seq (the message, and that nobody heard it), tries: of the next,
--        again: ms until it is tried again, -1 if the node goes on, since: ms, when the next event was,
--        letter: the event before `at` that is given up, or nil, mid: of the message told last, keep: letters}
-- reply {'ok', 1 if there is more to do at once, letters dropped} | {'lost'}: somebody else's by now
-- holds `hooked` never goes back, and only the holder moves it; an event is either delivered or among the dead.
--#include time
local a = cjson.decode(ARGV[1])
local s = redis.call('HMGET', KEYS[1], 'seq', 'hooked', 'hook_tries', 'state')
if not s[1] then
  redis.call('ZREM', KEYS[2], a.session)
  redis.call('ZREM', KEYS[3], a.session)
  return {'ok', 0, 0}
end
local score = redis.call('ZSCORE', KEYS[2], a.session)
if not score or tonumber(score) ~= tonumber(a.lease) then return {'lost'} end

local told = math.floor((a.at + 1) / 2)
if a.mid and a.mid ~= '' then -- Redis may have fallen back since it was read: what has that seq now was not told
  local entry = redis.call('XRANGE', KEYS[6], told .. '-0', told .. '-0')[1]
  local gone = not entry and redis.call('HGET', KEYS[7], told)
  local head = entry and entry[2][8] or gone and cjson.decode(gone).h
  if told > tonumber(s[1]) or head and string.sub(head, 1, #a.mid + 8) ~= '"mid":"' .. a.mid .. '"' then
    redis.call('ZADD', KEYS[2], now(), a.session)
    return {'lost', 1}
  end
end
local dropped = 0
if a.at > tonumber(s[2] or 0) then
  redis.call('HSET', KEYS[1], 'hooked', string.format('%d', a.at))
  if a.letter then
    redis.call('XADD', KEYS[4], '*', 'letter', a.letter)
    dropped = redis.call('XTRIM', KEYS[4], 'MAXLEN', a.keep)
  end
end
if a.tries > 0 then
  redis.call('HSET', KEYS[1], 'hook_tries', a.tries)
elseif s[3] then
  redis.call('HDEL', KEYS[1], 'hook_tries')
end
if a.again < 0 then return {'ok', 1, dropped} end

if a.at >= 2 * s[1] then
  redis.call('ZREM', KEYS[2], a.session)
  redis.call('ZREM', KEYS[3], a.session)
  -- It will not change any more: what the archive has of it must say that nothing is owed.
  if s[4] == 'ended' then redis.call('ZADD', KEYS[5], 'NX', now(), a.session) end
  return {'ok', 0, dropped}
end
redis.call('ZADD', KEYS[2], now() + a.again, a.session)
redis.call('ZADD', KEYS[3], a.since > 0 and a.since or now(), a.session)
return {'ok', a.again == 0 and 1 or 0, dropped}
