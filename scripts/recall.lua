-- recall: its sender takes a message back; the text is gone from Redis.
-- KEYS  1 session 2 log 3 recalled 4 authors 5 dirty
-- ARGV  1 session id 2 by 3 seq 4 mid of the system message 5 window in ms
--       6 at 7 by 8 key 9 head of the message, where the archive had to be asked for it
-- reply {'ok'} | {'archived'}: it has left the log | {'no_message'} | {code}
-- holds seq has no gap: a recalled entry's head stays, under `recalled`; what the archive must still forget is in `recalls`.
--#include time unread
local by, seq, mid = ARGV[2], ARGV[3], ARGV[4]
local s = redis.call('HMGET', KEYS[1], 'seq', 'c:' .. by, 'recalls')
if not s[1] then return {'not_found'} end
if not s[2] then return {'forbidden'} end
local gone = redis.call('HGET', KEYS[3], seq)
if gone then
  if cjson.decode(gone).by == by then return {'ok'} end
  return {'forbidden'}
end
if tonumber(seq) < 1 or tonumber(seq) > tonumber(s[1]) then return {'no_message'} end
local entry = redis.call('XRANGE', KEYS[2], seq .. '-0', seq .. '-0')[1]
local sent, from, key, entry_head = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
if entry then
  sent, from, key, entry_head = entry[2][2], entry[2][4], entry[2][6], entry[2][8]
elseif not sent then
  return {'archived'}
end
if from ~= by then return {'forbidden'} end
local at = now()
if at - sent > tonumber(ARGV[5]) then return {'too_late'} end

redis.call('HSET', KEYS[3], seq, cjson.encode({at = sent, by = by, key = key, h = entry_head}))
redis.call('XDEL', KEYS[2], seq .. '-0')
local next_seq = s[1] + 1
local head = '"mid":"' .. mid .. '","from":{"id":"","role":"system","name":""},"type":"system"'
local note = string.find(entry_head, '"},"type":"note"', 1, true) -- users never hear of those
local body = '{"what":"recalled","seq":' .. seq .. (note and ',"note":true}' or '}')
redis.call('XADD', KEYS[2], next_seq .. '-0', 'at', at, 'by', '', 'key', '', 'h', head, 'b', body)
redis.call('APPEND', KEYS[4], author(0, note))
redis.call('HSET', KEYS[1], 'seq', next_seq, 'recalls', (s[3] or '') .. seq .. ',')
redis.call('ZADD', KEYS[5], 'NX', at, ARGV[1])
--#hooks if redis.call('ZADD', KEYS[#KEYS], 'NX', at, ARGV[1]) == 1 then redis.call('HSETNX', KEYS[1], 'hooked', 2 * s[1]) end
redis.call('PUBLISH', KEYS[1], 'X' .. seq .. '\31' .. (note and 'n' or 'm'))
redis.call('PUBLISH', KEYS[1], table.concat({'M' .. next_seq, at, '', note and 'n' or 'm', '', '', '', head, body}, '\31'))
return {'ok'}
