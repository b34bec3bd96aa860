-- opened(key, queue, session), closed(…): a user's open sessions, by queue, oldest
-- first. There is more than one in a queue only where a transfer brought another.
local function opened(key, queue, session)
  local held = redis.call('HGET', key, queue)
  if held and string.find(held, session, 1, true) then return end
  redis.call('HSET', key, queue, held and held .. ',' .. session or session)
end

local function closed(key, queue, session)
  local rest = {}
  for id in string.gmatch(redis.call('HGET', key, queue) or '', '[^,]+') do
    if id ~= session then rest[#rest + 1] = id end
  end
  if #rest > 0 then
    redis.call('HSET', key, queue, table.concat(rest, ','))
  else
    redis.call('HDEL', key, queue)
  end
end
