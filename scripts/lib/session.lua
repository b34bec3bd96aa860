-- What every transition shares. It begins and ends with the same keys, as the store's `Transition` gives them, and has
-- an argument in JSON: op (this call's own id, and the system message's mid), session, by (who acts) and what the
-- script's header names. Its reply is {'ok', snapshot, effect...} or {code, detail...}. What uses settings names in
-- `rules` the last change that its node knew when it read them: {'stale', the last one} where there was another since.
-- `trace` is the span that its deliveries are of, as traceparent has it.
-- KEYS: session, log, unread, read, authors, timers, dirty, outbox, states, rules, stats, hooks?
-- ARGV: a = JSON (op, session, rules?, trace?)
--#include time unread states snapshot
if a.rules then
  local newest = redis.call('GET', rules) or ''
  if newest ~= a.rules then return {'stale', newest} end
end
local OPS_KEPT = 108 -- four ids of 26 letters, and a comma each
local at = now()
local s = {}
do
  local fields = redis.call('HGETALL', session)
  for i = 1, #fields, 2 do s[fields[i]] = fields[i + 1] end
end
local seq = tonumber(s.seq or 0)
local set, del, effects, said = {}, {}, {}, {}

-- The client library repeats a call whose answer it did not get, perhaps much later: one that took
-- effect, whatever came since, is not carried out again. The last four are remembered.
if s.ops and string.find(s.ops, a.op, 1, true) then return {'ok', snapshot()} end

-- append(mid, head, body, by, author_code, note, key): one message at the end of the log.
local function append(mid, head, body, by, author_code, note, key)
  seq = seq + 1
  redis.call('XADD', log, seq .. '-0', 'at', at, 'by', by, 'key', key or '', 'h', head, 'b', body)
  redis.call('APPEND', authors, author(author_code, note))
  said[#said + 1] = {seq, at, by, note and 'n' or 'm', head, body}
end

-- say(what, rest): a system message; rest is more JSON of its body, from a comma on.
local function say(what, rest)
  append(a.op, '"mid":"' .. a.op .. '","from":{"id":"","role":"system","name":""},"type":"system"',
    '{"what":"' .. what .. '"' .. (rest or '') .. '}', '', NOBODY, false)
end

-- commit(only_said): writes what was set, publishes, and makes the reply; only_said: a message is no change of
-- the session. Where there are webhooks, `hooked` is twice the seq that they have got to: see hooked.lua.
local function commit(only_said)
  set.seq = seq
  if not only_said then
    set.rev = tonumber(s.rev or 0) + 1
    set.ops = string.sub(a.op .. ',' .. (s.ops or ''), 1, OPS_KEPT)
  end
  local state, queue = set.state or s.state, set.queue or s.queue
  if state ~= s.state or queue ~= s.queue then
    refile(states, a.session, set.created or s.created, s.state, s.queue, state, queue)
  end
  if #del > 0 then redis.call('HDEL', session, unpack(del)) end
  local fields, first = {}, {}
  if not s.state then -- what each message reads comes first: Redis goes through a small hash from its beginning
    for _, f in ipairs({'state', 'seq', 'ops', 'last'}) do
      if set[f] then first[f], fields[#fields + 1], fields[#fields + 2] = true, f, set[f] end
    end
  end
  for f, v in pairs(set) do
    if not first[f] then fields[#fields + 1], fields[#fields + 2] = f, v end
  end
  redis.call('HSET', session, unpack(fields))
  redis.call('ZADD', dirty, 'NX', at, a.session)
  --#hooks if redis.call('ZADD', hooks, 'NX', at, a.session) == 1 then redis.call('HSETNX', session, 'hooked', 2 * (s.seq or 0)) end
  for _, f in ipairs(del) do s[f] = nil end
  local all = {}
  for f, v in pairs(set) do all[#all + 1], all[#all + 2], s[f] = f, type(v) == 'number' and string.format('%.17g', v) or v, nil end
  for f, v in pairs(s) do all[#all + 1], all[#all + 2] = f, v end
  local snap = snapshot(nil, all)
  redis.call('PUBLISH', session, 'S' .. cjson.encode({said = said, snap = snap, trace = a.trace}))
  return {'ok', snap, unpack(effects)}
end
