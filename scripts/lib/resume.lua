-- resume(): a session that was to end goes on, since its user writes.
-- KEYS: session, unread, read, timers, states
-- ARGV: id
--#include states snapshot
local function resume()
  redis.call('HSET', session, 'state', 'serving')
  local filed = redis.call('HMGET', session, 'created', 'queue')
  refile(states, id, filed[1], 'ending', filed[2], 'serving', filed[2])
  redis.call('HINCRBY', session, 'rev', 1)
  redis.call('HDEL', session, 'ending_due', 'ending_by', 'reason')
  redis.call('ZREM', timers, 'end|' .. id)
  redis.call('PUBLISH', session, 'S' .. cjson.encode({said = {}, snap = snapshot()}))
end
