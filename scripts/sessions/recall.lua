-- recall: its sender takes a message back; the text is gone from Redis.
-- KEYS: session, log, recalled, authors, dirty, hooks?
-- ARGV: id, by, seq, mid (of the system message), window = number (ms),
--   sent?, from?, key?, entry_head? (of the message, where the archive had to be asked for it)
-- reply: {'ok'} | {'archived'}: it has left the log | {'no_message'} | {code}
-- holds: seq has no gap: a recalled entry's head stays, under `recalled`; what the archive must still forget is in `recalls`.
--#include time unread
local s = redis.call('HMGET', session, 'seq', 'c:' .. by, 'recalls')
if not s[1] then return {'not_found'} end
if not s[2] then return {'forbidden'} end
local gone = redis.call('HGET', recalled, seq)
if gone then
  if cjson.decode(gone).by == by then return {'ok'} end
  return {'forbidden'}
end
if tonumber(seq) < 1 or tonumber(seq) > tonumber(s[1]) then return {'no_message'} end
local entry = redis.call('XRANGE', log, seq .. '-0', seq .. '-0')[1]
if entry then
  sent, from, key, entry_head = entry[2][2], entry[2][4], entry[2][6], entry[2][8]
elseif not sent then
  return {'archived'}
end
if from ~= by then return {'forbidden'} end
local at = now()
if at - sent > window then return {'too_late'} end

redis.call('HSET', recalled, seq, cjson.encode({at = sent, by = by, key = key, h = entry_head}))
redis.call('XDEL', log, seq .. '-0')
local next_seq = s[1] + 1
local head = '"mid":"' .. mid .. '","from":{"id":"","role":"system","name":""},"type":"system"'
local note = string.find(entry_head, '"},"type":"note"', 1, true) -- users never hear of those
local body = '{"what":"recalled","seq":' .. seq .. (note and ',"note":true}' or '}')
redis.call('XADD', log, next_seq .. '-0', 'at', at, 'by', '', 'key', '', 'h', head, 'b', body)
redis.call('APPEND', authors, author(NOBODY, note))
redis.call('HSET', session, 'seq', next_seq, 'recalls', (s[3] or '') .. seq .. ',')
redis.call('ZADD', dirty, 'NX', at, id)
--#hooks if redis.call('ZADD', hooks, 'NX', at, id) == 1 then redis.call('HSETNX', session, 'hooked', 2 * s[1]) end
redis.call('PUBLISH', session, 'X' .. seq .. '\31' .. (note and 'n' or 'm'))
redis.call('PUBLISH', session, table.concat({'M' .. next_seq, at, '', note and 'n' or 'm', '', '', '', head, body}, '\31'))
return {'ok'}
