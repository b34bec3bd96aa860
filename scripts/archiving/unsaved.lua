-- unsaved: what the archive lacks of a session, at one instant.
--#flags no-writes
-- KEYS: session, log, unread, read, recalled
-- ARGV: most (messages)
-- reply: {snapshot, log entries, recalls, {seq, head as recall.lua wrote it, …}}
-- holds: what is not above `archived` is in the archive, but for recalls and what was set aside.
--#include snapshot
local s = redis.call('HMGET', session, 'archived', 'recalls', 'aside')
local entries = redis.call('XRANGE', log, string.format('%d-0', (s[1] or 0) + 1), '+', 'COUNT', most)
for seq in string.gmatch(s[3] or '', '%d+') do
  local entry = redis.call('XRANGE', log, seq .. '-0', seq .. '-0')[1]
  if entry then entries[#entries + 1] = entry end
end
local heads = {}
for seq in string.gmatch(s[2] or '', '%d+') do
  heads[#heads + 1], heads[#heads + 2] = seq, redis.call('HGET', recalled, seq) or ''
end
return {snapshot(), entries, s[2] or '', heads}
