-- hooked: what became of a session's events, from the node that holds the session.
--#flags allow-oom
-- KEYS: session, hooks, hooks_late, dead, dirty, log, recalled
-- ARGV: a = JSON (session, lease, at (how far, two steps a seq: the message, and that nobody heard it), tries (of the next),
--   again (ms until it is tried again, -1 if the node goes on), since (ms: when the next event was),
--   letter? (the event before `at` that is given up), mid? (of the message told last), keep (letters))
-- reply: {'ok', 1 if there is more to do at once, letters dropped} | {'lost'}: somebody else's by now
-- holds: `hooked` never goes back, and only the holder moves it; an event is either delivered or among the dead.
--#include time lent head
local STEPS = 2 -- a message
local s = redis.call('HMGET', session, 'seq', 'hooked', 'hook_tries', 'state')
if not s[1] then
  returned(hooks, a.session, '', '', hooks_late)
  return {'ok', 0, 0}
end
if not still_lent(hooks, a.session, a.lease) then return {'lost'} end

local told = math.floor((a.at + 1) / STEPS)
if a.mid and a.mid ~= '' then -- Redis may have fallen back since it was read: what has that seq now was not told
  local head = head_of(log, recalled, told)
  if told > tonumber(s[1]) or head and not is_of(head, a.mid) then
    returned(hooks, a.session, a.lease, now())
    return {'lost', 1}
  end
end
local dropped = 0
if a.at > tonumber(s[2] or 0) then
  redis.call('HSET', session, 'hooked', string.format('%d', a.at))
  if a.letter then
    redis.call('XADD', dead, '*', 'letter', a.letter)
    dropped = redis.call('XTRIM', dead, 'MAXLEN', a.keep)
  end
end
if a.tries > 0 then
  redis.call('HSET', session, 'hook_tries', a.tries)
elseif s[3] then
  redis.call('HDEL', session, 'hook_tries')
end
if a.again < 0 then return {'ok', 1, dropped} end

if a.at >= STEPS * s[1] then
  returned(hooks, a.session, a.lease, '', hooks_late)
  -- It will not change any more: what the archive has of it must say that nothing is owed.
  if s[4] == 'ended' then redis.call('ZADD', dirty, 'NX', now(), a.session) end
  return {'ok', 0, dropped}
end
returned(hooks, a.session, a.lease, now() + a.again)
redis.call('ZADD', hooks_late, a.since > 0 and a.since or now(), a.session)
return {'ok', a.again == 0 and 1 or 0, dropped}
