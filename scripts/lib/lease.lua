-- Leased work: members of sorted sets, whose scores say when they are due, are lent to one node at a time. Each
-- lending has a score of its own in its partition, by which what it lent is found again (lent.lua). `leases`, a hash,
-- has each borrower's newest call and its score: a call whose answer was lost shows when the borrower's next one names
-- the last it heard of (ack), and is undone; one that is repeated gives the same again.
--
-- What is lent so, by whom and how it ends is told in docs/architecture.md: timers, outbox and clearing by take, dirty
-- and hooks by collect, which also has a set `late` that keeps since when something waits while its score is the lease's.
--#include time

-- give_back(leases, borrower, keys): what the borrower's newest call lent is due now.
local function give_back(leases, borrower, keys)
  local score = string.match(redis.call('HGET', leases, borrower) or '', '|(%d+)$')
  if not score then return end
  local at = now()
  for _, key in ipairs(keys) do
    for _, m in ipairs(redis.call('ZRANGEBYSCORE', key, score, score)) do redis.call('ZADD', key, at, m) end
  end
end

-- lend(leases, borrower, call, ack, ms, keys): the score to lend with, and whether this very call has run before;
-- nil where a later one has. Calls of a borrower are numbered upwards; keys: all it may be lent from.
local function lend(leases, borrower, call, ack, ms, keys)
  local known, score = string.match(redis.call('HGET', leases, borrower) or '0|0', '^(%d+)|(%d+)$')
  known = tonumber(known)
  if known > call then return nil end
  if known == call then return score, true end
  if known > ack then give_back(leases, borrower, keys) end
  local lease = string.format('%d', math.max(now() + ms, redis.call('HGET', leases, '') or 0) + 1)
  redis.call('HSET', leases, '', lease, borrower, string.format('%d|%s', call, lease))
  return lease, false
end

-- handed(work, lease, again, limit, ms, late): up to limit members of a set that have been due for ms, lent from
-- now on; with late, each followed by since when it waits.
local function handed(work, lease, again, limit, ms, late)
  if not lease then return {} end
  local due
  if again then
    due = redis.call('ZRANGEBYSCORE', work, lease, lease, 'WITHSCORES')
  else
    due = redis.call('ZRANGEBYSCORE', work, '-inf', now() - ms, 'WITHSCORES', 'LIMIT', 0, limit)
  end
  local list = {}
  for i = 1, #due, 2 do
    list[#list + 1] = due[i]
    if late then
      redis.call('ZADD', late, 'NX', due[i + 1], due[i])
      list[#list + 1] = redis.call('ZSCORE', late, due[i]) -- earlier, where a node took it before and died
    end
    if not again then redis.call('ZADD', work, lease, due[i]) end
  end
  return list
end
