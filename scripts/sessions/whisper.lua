-- whisper: a supervisor's note in a session it takes no part in.
-- KEYS: session, log, unread, read, authors, timers, dirty, outbox, keys, states, rules, stats, hooks?
-- ARGV: a = JSON (op (the note's mid), session, by, hash (of sender and key), key, head, body)
-- reply: {'ok', seq, at} | {'dup', seq, at, head} | {code, state}
-- holds: as `send`; the user never sees it, and the sender does not become a participant.
--#include session seats repeated
if not s.state then return {'not_found'} end
local seen = redis.call('HGET', keys, a.hash)
if seen then return repeated(log, seen) end
if s.state == 'ended' then return {'ended'} end
if s.state == 'waiting' then return {'wrong_state', s.state} end

append(a.op, a.head, a.body, 'a:' .. a.by, code(a.by), true, a.key)
redis.call('HSET', keys, a.hash, seq)
for _, p in ipairs(redis.call('HKEYS', unread)) do
  if string.sub(p, 1, 2) == 'a:' and p ~= 'a:' .. a.by then redis.call('HINCRBY', unread, p, 1) end
end
commit(true)
return {'ok', string.format('%d', seq), string.format('%d', at)}
