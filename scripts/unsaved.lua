-- unsaved: what the archive lacks of a session, at one instant.
--#flags no-writes
-- KEYS  1 session 2 log 3 unread 4 read 5 recalled
-- ARGV  1 at most: messages
-- reply {snapshot, log entries, recalls, {seq, head as recall.lua wrote it, …}}
-- holds what is not above `archived` is in the archive, but for recalls and what was set aside.
local s = redis.call('HMGET', KEYS[1], 'archived', 'recalls', 'aside')
local entries = redis.call('XRANGE', KEYS[2], string.format('%d-0', (s[1] or 0) + 1), '+', 'COUNT', ARGV[1])
for seq in string.gmatch(s[3] or '', '%d+') do
  local entry = redis.call('XRANGE', KEYS[2], seq .. '-0', seq .. '-0')[1]
  if entry then entries[#entries + 1] = entry end
end
local recalled = {}
for seq in string.gmatch(s[2] or '', '%d+') do
  recalled[#recalled + 1], recalled[#recalled + 2] = seq, redis.call('HGET', KEYS[5], seq) or ''
end
return {cjson.encode({s = redis.call('HGETALL', KEYS[1]), u = redis.call('HGETALL', KEYS[3]),
  r = redis.call('HGETALL', KEYS[4])}), entries, s[2] or '', recalled}
