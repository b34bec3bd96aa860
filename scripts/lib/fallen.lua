-- A session that Redis has in an older form than the archive. For revive.
-- KEYS: session, unread, read, timers, waiting, open, was = waiting, labelled, states
--#include opened stats states labels snapshot

-- withdrawn(id, over): whether it still is as it was compared; then it is taken out of all lists.
local function withdrawn(id, over)
  local s = redis.call('HMGET', session, 'rev', 'seq', 'ops', 'state', 'queue', 'agent', 'owned', 'created')
  if s[1] ~= over.rev or s[2] ~= over.seq or (s[3] or '') ~= over.ops or s[5] ~= over.queue then return false end
  local reads = 0
  for _, mark in ipairs(redis.call('HVALS', read)) do reads = reads + mark end
  if reads ~= over.reads then return false end
  redis.call('ZREM', was, id)
  refile(states, id, s[8], s[4], s[5])
  relabel(labelled, id, s[8], redis.call('HKEYS', session), true)
  closed(open, s[5], id)
  if s[6] and s[7] then serves(s[5], s[6], -1) end
  for _, kind in ipairs({'abandon', 'patience', 'route', 'idle', 'offer', 'end', 'expire'}) do
    redis.call('ZREM', timers, kind .. '|' .. id)
  end
  if s[4] == 'waiting' then redis.call('PUBLISH', was, '-' .. id .. '\31') end
  redis.call('DEL', session)
  return true
end

-- shown(s, id): those connected read it again, and watchers of its queue see it wait.
local function shown(s, id)
  redis.call('PUBLISH', session, 'L')
  if s.state ~= 'waiting' then return end
  redis.call('PUBLISH', waiting, '+' .. id .. '\31' .. snapshot())
end
