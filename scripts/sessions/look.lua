-- look: the session with everybody's counts and the id of its last message, at one instant.
--#flags no-writes
-- KEYS: session, unread, read, log, recalled
-- ARGV: none
-- reply: snapshot
-- holds: nothing changes.
--#include snapshot
local entry = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local seq, head = redis.call('HGET', session, 'seq'), entry and entry[2][8]
if seq and not (entry and entry[1] == seq .. '-0') then -- recalled
  local gone = redis.call('HGET', recalled, seq)
  head = gone and cjson.decode(gone).h
end
return snapshot(head and string.match(head, '^"mid":"([^"]*)"') or '')
