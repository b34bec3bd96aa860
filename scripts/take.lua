-- take: hands what is due to one node for a while, and takes what it did with what it had. Also its heartbeat.
--#flags allow-oom
-- KEYS  1 timers 2 outbox 3 nodes 4 clearing 5 leases 6 epoch
-- ARGV  {node, call, ack: as in lib/lease.lua, limit: of each kind, lease: ms, retry: ms until what was not done is due again,
--        done, back: {kind (KEYS), score it was lent with, member}, …: finished, or not done}
-- reply {run id, n, ticks: see lib/epoch.lua, 1 if the node was not known, score, timers, effects, nodes to clear, {node, beats, …}}
-- holds what is lent is nobody else's before its time; where the server has changed, all that was lent is due again.
--#include time lease epoch
local a = cjson.decode(ARGV[1])
local at = now()
-- lent_at(d): whether nobody has set it anew, or taken it, since.
local function lent_at(d) return tonumber(redis.call('ZSCORE', KEYS[tonumber(d[1])], d[3]) or 0) == tonumber(d[2]) end
for _, d in ipairs(a.done) do
  if lent_at(d) then redis.call('ZREM', KEYS[tonumber(d[1])], d[3]) end
end
for _, d in ipairs(a.back) do
  if lent_at(d) then redis.call('ZADD', KEYS[tonumber(d[1])], at + a.retry, d[3]) end
end

local lent = {KEYS[1], KEYS[2], KEYS[4]}
local known, info = pcall(redis.call, 'INFO', 'server') -- the embedded one has none, and ends with its process
local run = known and string.match(info, 'run_id:(%w+)') or ''
local before = redis.call('HGET', KEYS[6], 'run')
if before ~= run then
  redis.call('HSET', KEYS[6], 'run', run)
  local n = redis.call('HINCRBY', KEYS[6], 'n', 1)
  if before then
    redis.call('HSET', KEYS[6], 'at', at)
    compare(KEYS[1], n, 'server')
    for _, borrower in ipairs(redis.call('HKEYS', KEYS[5])) do give_back(KEYS[5], borrower, lent) end
  end
end
local ticks = redis.call('HINCRBY', KEYS[6], 'ticks', 1)

local fresh = tonumber(redis.call('ZINCRBY', KEYS[3], 1, a.node)) == 1
if fresh then redis.call('ZREM', KEYS[4], a.node) end
local lease, again = lend(KEYS[5], 'take|' .. a.node, a.call, a.ack, a.lease, lent)
return {run, tonumber(redis.call('HGET', KEYS[6], 'n')), ticks, fresh and 1 or 0, lease or '',
  handed(KEYS[1], lease, again, a.limit, 0), handed(KEYS[2], lease, again, a.limit, 0),
  handed(KEYS[4], lease, again, a.limit, 0), redis.call('ZRANGE', KEYS[3], 0, -1, 'WITHSCORES')}
