-- snapshot(mid): the session with everybody's counts, as JSON: the one form in which nodes read it
-- (chat.ParseSnapshot). mid: of its last message, or nil where nobody asks for it.
-- KEYS: session, unread, read
local function snapshot(mid)
  return cjson.encode({s = redis.call('HGETALL', session), u = redis.call('HGETALL', unread),
    r = redis.call('HGETALL', read), m = mid})
end
