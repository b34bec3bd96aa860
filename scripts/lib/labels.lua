-- The partition's labelled sessions, so that those with a label are found without a look at the others: one sorted set,
-- all of score 0, in which a session has a member `label 0x1f created|id` for each of its labels (the session's fields
-- `l:<label>`). No label holds a control character.

-- relabel(labelled, id, created, fields, gone): the session has these fields of labels, or has them no more.
local function relabel(labelled, id, created, fields, gone)
  for _, f in ipairs(fields) do
    if string.sub(f, 1, 2) == 'l:' then
      local member = string.sub(f, 3) .. '\31' .. created .. '|' .. id
      if gone then
        redis.call('ZREM', labelled, member)
      else
        redis.call('ZADD', labelled, 0, member)
      end
    end
  end
end
