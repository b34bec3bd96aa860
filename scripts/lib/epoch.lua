-- Which server this is, and how often the partition was looked after: what nodes notice a fall-back by. `epoch` is a
-- hash: `run`, the server's run id; `n`, which grows where that changes; `at`, since when; `ticks`, which only grows.
--#include time
local ARRIVED = 35000 -- ms: what was on its way to the archive has arrived by then
local TOLD = 15000 -- ms: the nodes have told by then who is connected to them

-- compare(timers, n, how): the partition is to be compared with the archive and with agents' places: now, and once more when
-- what was on its way to the archive before it fell back must have arrived. how: 'server' where that is another one.
local function compare(timers, n, how)
  local at = now()
  local timer = string.format('recover|%d|%d|%s', n, at, how)
  redis.call('ZADD', timers, at, timer, at + ARRIVED, timer .. '|again')
end

-- settling(epoch): until when nobody counts as absent: the nodes may not have told yet.
local function settling(epoch)
  return tonumber(redis.call('HGET', epoch, 'at') or 0) + TOLD
end
