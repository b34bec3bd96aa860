-- What every transition shares. KEYS of a transition begin with
--   1 session 2 log 3 unread 4 read 5 authors 6 timers 7 dirty 8 outbox
-- and ARGV[1] is a JSON object: op (this call's own id, and the system message's
-- mid), session, by (who acts) and what the script's header names.
-- Its reply is {'ok', snapshot, effect...} or {code, detail...}.
local a = cjson.decode(ARGV[1])
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

-- append(mid, head, body, by, author_code, note): one message at the end of the log.
local function append(mid, head, body, by, author_code, note)
  seq = seq + 1
  redis.call('XADD', KEYS[2], seq .. '-0', 'at', at, 'by', by, 'key', '', 'h', head, 'b', body)
  redis.call('APPEND', KEYS[5], author(author_code, note))
  said[#said + 1] = {seq, at, by, note and 'n' or 'm', head, body}
end

-- say(what, rest): a system message; rest is more JSON of its body, from a comma on.
local function say(what, rest)
  append(a.op, '"mid":"' .. a.op .. '","from":{"id":"","role":"system","name":""},"type":"system"',
    '{"what":"' .. what .. '"' .. (rest or '') .. '}', '', 0, false)
end

-- code(agent): what stands for the agent in `authors`.
local function code(agent)
  local p = 'c:a:' .. agent
  local known = tonumber(s[p] or set[p])
  if known then return known end
  local fresh = tonumber(set.codes or s.codes or 16)
  set[p], set.codes = fresh, fresh + 1
  return fresh
end

-- enter(agent): a new participant starts with mark 0; one who is in keeps its mark.
local function enter(agent)
  local p = 'a:' .. agent
  if redis.call('HEXISTS', KEYS[3], p) == 1 then return end
  redis.call('HSET', KEYS[3], p, count(KEYS[5], 1, seq, code(agent), false))
  redis.call('HSET', KEYS[4], p, 0)
end

-- exit(agent): no participant any more.
local function exit(agent)
  redis.call('HDEL', KEYS[3], 'a:' .. agent)
  redis.call('HDEL', KEYS[4], 'a:' .. agent)
end

-- owe(agent, role, token, hold, extra): what the agent's partition must learn;
-- hold: whether the place that token took stays taken. It stays in the outbox
-- until some node has carried it out.
local function owe(agent, role, token, hold, extra)
  local effect = cjson.encode({agent = agent, session = a.session, rev = tonumber(s.rev) + 1, role = role,
    token = token or '', hold = hold, at = at, created = tonumber(s.created), ended = set.state == 'ended', extra = extra, op = a.op})
  redis.call('ZADD', KEYS[8], at + 2000, effect)
  effects[#effects + 1] = effect
end

-- refuse(code, detail): a refusal of somebody for whom a place was reserved. The
-- reservation took over the place of an owner or target, so the session takes
-- over its token; 'kept' tells the node not to give the place back.
local function refuse(...)
  local field = s.state ~= 'ended' and
    (s.agent == a.agent and 'agent_res' or (s.target == a.agent and 'target_res')) or nil
  if not field then return {...} end
  redis.call('HSET', KEYS[1], field, a.token)
  return {'kept', ...}
end

-- assistants(): the ids of those who joined.
local function assistants()
  local ids = {}
  for f in pairs(s) do
    if string.sub(f, 1, 3) == 'as:' then ids[#ids + 1] = string.sub(f, 4) end
  end
  return ids
end

-- drop(list): clears fields.
local function drop(...)
  for _, f in ipairs({...}) do if s[f] then del[#del + 1] = f end end
end

-- close_offer(outcome): takes an open offer back, if there is one.
local function close_offer(outcome)
  if not s.target then return end
  local joined = s['as:' .. s.target]
  owe(s.target, joined and 'assistant' or ((s['c:a:' .. s.target] or set['c:a:' .. s.target]) and 'past' or 'none'), s.target_res, false,
    {kind = 'offer-ended', outcome = outcome})
  set.last_target, set.last_outcome = s.target, outcome
  drop('target', 'target_info', 'target_res', 'offer_by', 'offer_note', 'offer_expires')
  redis.call('ZREM', KEYS[6], 'offer|' .. a.session)
end

-- commit(): writes what was set, publishes, and makes the reply.
local function commit()
  set.rev, set.seq = tonumber(s.rev or 0) + 1, seq
  set.ops = string.sub(a.op .. ',' .. (s.ops or ''), 1, 108)
  if #del > 0 then redis.call('HDEL', KEYS[1], unpack(del)) end
  local fields = {}
  for f, v in pairs(set) do fields[#fields + 1], fields[#fields + 2] = f, v end
  redis.call('HSET', KEYS[1], unpack(fields))
  redis.call('ZADD', KEYS[7], 'NX', at, a.session)
  local snap = snapshot()
  redis.call('PUBLISH', KEYS[1], 'S' .. cjson.encode({said = said, snap = snap}))
  return {'ok', snap, unpack(effects)}
end
