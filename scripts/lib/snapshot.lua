-- snapshot(mid, fields): the session with everybody's counts, as JSON: the one form in which nodes read it
-- (chat.ParseSnapshot). mid: of its last message, or nil where nobody asks for it; fields:
-- the session's as HGETALL gives them, where they are known.
-- KEYS: session, unread, read
local function snapshot(mid, fields)
  return cjson.encode({s = fields or redis.call('HGETALL', session), u = redis.call('HGETALL', unread),
    r = redis.call('HGETALL', read), m = mid})
end
