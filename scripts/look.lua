-- look: the session with everybody's counts, at one instant.
--#flags no-writes
-- KEYS  1 session 2 unread 3 read
-- reply snapshot
return cjson.encode({s = redis.call('HGETALL', KEYS[1]), u = redis.call('HGETALL', KEYS[2]),
  r = redis.call('HGETALL', KEYS[3])})
