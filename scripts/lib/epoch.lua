-- Which server this is, and how often the partition was looked after: what nodes notice a fall-back by. `epoch` is a
-- hash: `run`, the server's run id; `n`, which grows where that changes; `at`, since when; `ticks`, which only grows.

-- settling(epoch): until when nobody counts as absent: the nodes may not have told yet who is connected to them.
local function settling(epoch)
  return tonumber(redis.call('HGET', epoch, 'at') or 0) + 15000
end
