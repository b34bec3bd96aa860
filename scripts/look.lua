-- look: the session with everybody's counts and the id of its last message, at one instant.
--#flags no-writes
-- KEYS  1 session 2 unread 3 read 4 log 5 recalled
-- reply snapshot
local entry = redis.call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 1)[1]
local seq, head = redis.call('HGET', KEYS[1], 'seq'), entry and entry[2][8]
if seq and not (entry and entry[1] == seq .. '-0') then -- recalled
  local gone = redis.call('HGET', KEYS[5], seq)
  head = gone and cjson.decode(gone).h
end
return cjson.encode({s = redis.call('HGETALL', KEYS[1]), u = redis.call('HGETALL', KEYS[2]),
  r = redis.call('HGETALL', KEYS[3]), m = head and string.match(head, '^"mid":"([^"]*)"') or ''})
