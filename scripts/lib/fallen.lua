-- A session that Redis has in an older form than the archive. For revive, after opened, stats and states.

-- withdrawn(session, over): whether it still is as it was compared; then it is taken out of all lists.
local function withdrawn(session, over)
  local s = redis.call('HMGET', KEYS[1], 'rev', 'seq', 'ops', 'state', 'queue', 'agent', 'owned', 'created')
  if s[1] ~= over.rev or s[2] ~= over.seq or (s[3] or '') ~= over.ops or s[5] ~= over.queue then return false end
  local reads = 0
  for _, mark in ipairs(redis.call('HVALS', KEYS[4])) do reads = reads + mark end
  if reads ~= over.reads then return false end
  redis.call('ZREM', KEYS[14], session)
  refile(KEYS[15], session, s[8], s[4], s[5])
  closed(KEYS[11], s[5], session)
  if s[6] and s[7] then serves(s[5], s[6], -1) end
  for _, kind in ipairs({'abandon', 'patience', 'route', 'idle', 'offer', 'end', 'expire'}) do
    redis.call('ZREM', KEYS[6], kind .. '|' .. session)
  end
  if s[4] == 'waiting' then redis.call('PUBLISH', KEYS[14], '-' .. session .. '\31') end
  redis.call('DEL', KEYS[1])
  return true
end

-- shown(s, session): those connected read it again, and watchers of its queue see it wait.
local function shown(s, session)
  redis.call('PUBLISH', KEYS[1], 'L')
  if s.state ~= 'waiting' then return end
  redis.call('PUBLISH', KEYS[10], '+' .. session .. '\31' .. cjson.encode({s = redis.call('HGETALL', KEYS[1]),
    u = redis.call('HGETALL', KEYS[3]), r = redis.call('HGETALL', KEYS[4])}))
end
