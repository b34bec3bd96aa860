-- upload: bytes that were uploaded within a day, by the hour they came in.
-- KEYS  1 bytes by hour, with the ids of the last calls under `ops`
-- ARGV  1 bytes: more, or less 2 the most there may be 3 hour (since 1970) they are of 4 this call's own id 5 now: ms
-- reply {'ok'} | {'full', ms until they fit}: nothing was counted
-- holds an hour counts until it is 24 hours over; less is counted as far as there is some. What is lost between a
--       count and what it stands for is made up for in a day.
local size, most, hour = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = tonumber(ARGV[5])
local oldest = math.floor(now / 3600000) - 24
local all, ops, hours, sum = redis.call('HGETALL', KEYS[1]), '', {}, 0
for i = 1, #all, 2 do
  local h = tonumber(all[i])
  if not h then
    ops = all[i + 1]
  elseif h < oldest then
    redis.call('HDEL', KEYS[1], all[i])
  else
    hours[#hours + 1] = {h, tonumber(all[i + 1])}
    sum = sum + tonumber(all[i + 1])
  end
end
if string.find(ops, ARGV[4], 1, true) then return {'ok'} end
if size > 0 and sum + size > most then
  table.sort(hours, function(a, b) return a[1] < b[1] end)
  local fits = 3600000
  for _, h in ipairs(hours) do
    sum = sum - h[2]
    fits = (h[1] + 25) * 3600000 - now
    if sum + size <= most then break end
  end
  return {'full', string.format('%d', math.max(1, fits))}
end
local left = (tonumber(redis.call('HGET', KEYS[1], ARGV[3])) or 0) + size
if left > 0 then
  redis.call('HSET', KEYS[1], ARGV[3], string.format('%d', left))
else
  redis.call('HDEL', KEYS[1], ARGV[3])
end
redis.call('HSET', KEYS[1], 'ops', string.sub(ARGV[4] .. ',' .. ops, 1, 216))
redis.call('EXPIRE', KEYS[1], 26 * 3600)
return {'ok'}
