-- take: hands what is due to one node for a while, and takes what it did with what it had.
--#flags allow-oom
-- KEYS: timers, outbox, nodes, clearing, leases, epoch, dirty, hooks
-- ARGV: a = JSON (node, call, ack (as in lib/lease.lua), limit (of each kind), lease (ms), retry (ms until what was not done is due again),
--   back ({name of the key, score it was lent with, member, 1 if it was not done else 0}, …),
--   others (nodes that were heard of since its last call: one that `nodes` has not stays unknown))
-- reply: {run id, n, ticks: see lib/epoch.lua, 1 if the node was not known, score, timers, effects, nodes to clear, {node, beats, …},
--   1 if there is something to archive, 1 if there is an event to tell}
-- holds: what is lent is nobody else's before its time; where the server has changed, all that was lent is due again.
--#include time lease lent epoch
local at = now()
local work = {timers = timers, outbox = outbox, clearing = clearing}
for _, b in ipairs(a.back) do returned(work[b[1]], b[3], b[2], b[4] == 1 and at + a.retry or '') end

local all = {timers, outbox, clearing}
local known, info = pcall(redis.call, 'INFO', 'server') -- the embedded one has none, and ends with its process
local run = known and string.match(info, 'run_id:(%w+)') or ''
local before = redis.call('HGET', epoch, 'run')
if before ~= run then
  redis.call('HSET', epoch, 'run', run)
  local n = redis.call('HINCRBY', epoch, 'n', 1)
  if before then
    redis.call('HSET', epoch, 'at', at)
    compare(timers, n, 'server')
    for _, borrower in ipairs(redis.call('HKEYS', leases)) do give_back(leases, borrower, all) end
  end
end
local ticks = redis.call('HINCRBY', epoch, 'ticks', 1)

local fresh = tonumber(redis.call('ZINCRBY', nodes, 1, a.node)) == 1
if fresh then redis.call('ZREM', clearing, a.node) end
for _, node in ipairs(a.others) do
  if redis.call('ZSCORE', nodes, node) then redis.call('ZINCRBY', nodes, 1, node) end
end

local function waits(work)
  local first = redis.call('ZRANGE', work, 0, 0, 'WITHSCORES')
  return first[2] and tonumber(first[2]) <= at and 1 or 0
end
local lease, again = lend(leases, 'take|' .. a.node, a.call, a.ack, a.lease, all)
return {run, tonumber(redis.call('HGET', epoch, 'n')), ticks, fresh and 1 or 0, lease or '',
  handed(timers, lease, again, a.limit, 0), handed(outbox, lease, again, a.limit, 0),
  handed(clearing, lease, again, a.limit, 0), redis.call('ZRANGE', nodes, 0, -1, 'WITHSCORES'),
  waits(dirty), waits(hooks)}
