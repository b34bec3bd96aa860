-- The partition's sessions by state, and by state and queue, so that a list costs what it returns: one sorted
-- set, all of score 0, in which each session has two members, `state|created|id` and `state 0x1f queue 0x1f
-- created|id`, the newest last among those that begin alike. No state holds a `|`, no queue a control character.

-- refile(states, id, created, from, queue, to, to_queue): moves a session; `from` is nil for a new one, `to` for one that leaves.
local function refile(states, id, created, from, queue, to, to_queue)
  local place = created .. '|' .. id
  if from then redis.call('ZREM', states, from .. '|' .. place, from .. '\31' .. queue .. '\31' .. place) end
  if to then redis.call('ZADD', states, 0, to .. '|' .. place, 0, to .. '\31' .. to_queue .. '\31' .. place) end
end
