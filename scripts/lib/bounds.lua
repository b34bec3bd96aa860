-- beyond(open, strange): a refusal, where the user has `most` sessions open (0: any number), or where the queue is
-- strange: nobody has set it nor serves it, and there are `strange_most` such queues in the partition already.
-- What was refused changes nothing; what passes is to be told to settle_in(strange).
-- ARGV: a = JSON (queue, most, strange, strange_most)
local function beyond(open, strange)
  local n = 0
  for _, ids in ipairs(redis.call('HVALS', open)) do n = n + select(2, string.gsub(ids, '[^,]+', '')) end
  if (a.most or 0) > 0 and n >= a.most then return {'full', n, a.most} end
  if not a.strange or redis.call('SISMEMBER', strange, a.queue) == 1 then return end
  local others = redis.call('SCARD', strange)
  if others >= a.strange_most then return {'crowded', others, a.strange_most} end
end

local function settle_in(strange)
  if a.strange then redis.call('SADD', strange, a.queue) end
end
