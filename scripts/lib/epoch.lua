-- Which server this is, and how often the partition was looked after: what nodes notice a fall-back by. `epoch` is a
-- hash: `run`, the server's run id; `n`, which grows where that changes; `at`, since when; `ticks`, which only grows.

-- compare(timers, n): the partition is to be compared with the archive and with agents' places: now, and once more when
-- what was on its way to the archive before it fell back must have arrived.
local function compare(timers, n)
  local at = now()
  local timer = string.format('recover|%d|%d', n, at)
  redis.call('ZADD', timers, at, timer, at + 35000, timer .. '|again')
end

-- settling(epoch): until when nobody counts as absent: the nodes may not have told yet who is connected to them.
local function settling(epoch)
  return tonumber(redis.call('HGET', epoch, 'at') or 0) + 15000
end
