-- What agents' partitions must learn.
-- KEYS: outbox, timers
-- ARGV: a = JSON (op, session, agent?, token?)
--#include session
local SETTLED = 2000 -- ms until any node settles what the one that ran the transition should have

-- owe(agent, role, token, hold, extra): what the agent's partition must learn;
-- hold: whether the place that token took stays taken. It stays in the outbox
-- until some node has carried it out.
local function owe(agent, role, token, hold, extra)
  local effect = cjson.encode({agent = agent, session = a.session, rev = tonumber(s.rev) + 1, role = role,
    token = token or '', hold = hold, at = at, created = tonumber(s.created), ended = set.state == 'ended', extra = extra, op = a.op})
  redis.call('ZADD', outbox, at + SETTLED, effect)
  effects[#effects + 1] = effect
end

-- refuse(code, detail): a refusal of somebody for whom a place was reserved. The
-- reservation may have taken over the place of an owner or target; 'kept' tells
-- the node to find out (see resolve.lua) rather than to give the place back.
local function refuse(...)
  if s.state ~= 'ended' and (s.agent == a.agent or s.target == a.agent) then return {'kept', ...} end
  return {...}
end

-- fenced(): whether the place that a.token took was given up meanwhile: see resolve.lua.
local function fenced()
  local f = s['f:' .. a.agent]
  return f and a.token <= f
end

-- drop(list): clears fields.
local function drop(...)
  for _, f in ipairs({...}) do if s[f] then del[#del + 1] = f end end
end

-- close_offer(outcome): takes an open offer back, if there is one.
local function close_offer(outcome)
  if not s.target then return end
  local joined, took = s['as:' .. s.target], set['m:a:' .. s.target] or s['m:a:' .. s.target]
  if not took and s['c:a:' .. s.target] then took = 1 end -- of an earlier version: who lists it finds out
  owe(s.target, joined and 'assistant' or (tonumber(took) == 1 and 'past' or 'none'), s.target_res, false,
    {kind = 'offer-ended', outcome = outcome})
  set.last_target, set.last_outcome = s.target, outcome
  drop('target', 'target_info', 'target_res', 'offer_by', 'offer_note', 'offer_expires')
  redis.call('ZREM', timers, 'offer|' .. a.session)
end
