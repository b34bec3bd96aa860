-- What every transition shares. KEYS of a transition begin with
--   1 session 2 log 3 unread 4 read 5 authors 6 timers 7 dirty 8 outbox
-- and end with the sessions by state (see states.lua), `rules` (which change of the queues' settings was the last) and
-- the statistics (see stats.lua), and ARGV[1] is a JSON object: op (this call's own id, and the system message's
-- mid), session, by (who acts) and what the script's header names.
-- Its reply is {'ok', snapshot, effect...} or {code, detail...}. What uses settings names in `rules` the last
-- change that its node knew when it read them: {'stale', the last one} where there was another since.
--#include states
local a = cjson.decode(ARGV[1])
local after = string.sub(KEYS[#KEYS], -6) == ':stats' and 0 or 1 -- the hooks come last, where there are any
local states = KEYS[#KEYS - 2 - after]
if a.rules then
  local rules = redis.call('GET', KEYS[#KEYS - 1 - after]) or ''
  if rules ~= a.rules then return {'stale', rules} end
end
local at = now()
local s = {}
do
  local fields = redis.call('HGETALL', KEYS[1])
  for i = 1, #fields, 2 do s[fields[i]] = fields[i + 1] end
end
local seq = tonumber(s.seq or 0)
local set, del, effects, said = {}, {}, {}, {}

-- snapshot(): the session with everybody's counts, as the node reads it.
local function snapshot()
  return cjson.encode({s = redis.call('HGETALL', KEYS[1]), u = redis.call('HGETALL', KEYS[3]),
    r = redis.call('HGETALL', KEYS[4])})
end

-- replayed(): whether this very call took effect before. The client library
-- repeats a call whose answer it did not get; the last four are remembered.
local function replayed()
  return s.ops and string.find(s.ops, a.op, 1, true)
end

-- append(mid, head, body, by, author_code, note, key): one message at the end of the log.
local function append(mid, head, body, by, author_code, note, key)
  seq = seq + 1
  redis.call('XADD', KEYS[2], seq .. '-0', 'at', at, 'by', by, 'key', key or '', 'h', head, 'b', body)
  redis.call('APPEND', KEYS[5], author(author_code, note))
  said[#said + 1] = {seq, at, by, note and 'n' or 'm', head, body}
end

-- say(what, rest): a system message; rest is more JSON of its body, from a comma on.
local function say(what, rest)
  append(a.op, '"mid":"' .. a.op .. '","from":{"id":"","role":"system","name":""},"type":"system"',
    '{"what":"' .. what .. '"' .. (rest or '') .. '}', '', 0, false)
end

-- commit(only_said): writes what was set, publishes, and makes the reply; only_said: a message is no change of
-- the session. Where there are webhooks, `hooked` is twice the seq that they have got to: see hooked.lua.
local function commit(only_said)
  set.seq = seq
  if not only_said then
    set.rev = tonumber(s.rev or 0) + 1
    set.ops = string.sub(a.op .. ',' .. (s.ops or ''), 1, 108)
  end
  local state, queue = set.state or s.state, set.queue or s.queue
  if state ~= s.state or queue ~= s.queue then
    refile(states, a.session, set.created or s.created, s.state, s.queue, state, queue)
  end
  if #del > 0 then redis.call('HDEL', KEYS[1], unpack(del)) end
  local fields = {}
  for f, v in pairs(set) do fields[#fields + 1], fields[#fields + 2] = f, v end
  redis.call('HSET', KEYS[1], unpack(fields))
  redis.call('ZADD', KEYS[7], 'NX', at, a.session)
  --#hooks if redis.call('ZADD', KEYS[#KEYS], 'NX', at, a.session) == 1 then redis.call('HSETNX', KEYS[1], 'hooked', 2 * (s.seq or 0)) end
  local snap = snapshot()
  redis.call('PUBLISH', KEYS[1], 'S' .. cjson.encode({said = said, snap = snap}))
  return {'ok', snap, unpack(effects)}
end
