-- Leased work: members of sorted sets, whose scores say when they are due, are lent to one node at a time. Each
-- lending has a score of its own in its partition, by which what it lent is found again. KEYS `leases`, a hash, has
-- each borrower's newest call and its score: a call whose answer was lost shows when the borrower's next one names
-- the last it heard of (ack), and is undone; one that is repeated gives the same again.

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

-- handed(key, lease, again, limit, ms): up to limit members of a set that have been due for ms, lent from now on.
local function handed(key, lease, again, limit, ms)
  if not lease then return {} end
  if again then return redis.call('ZRANGEBYSCORE', key, lease, lease) end
  local due = redis.call('ZRANGEBYSCORE', key, '-inf', now() - ms, 'LIMIT', 0, limit)
  for _, m in ipairs(due) do redis.call('ZADD', key, lease, m) end
  return due
end
