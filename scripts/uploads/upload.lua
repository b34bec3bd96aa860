-- upload: bytes that were uploaded within a day, by the hour they came in.
-- KEYS: uploads = uploads|unsent
-- ARGV: size = number (bytes: more, or less), most = number (bytes there may be), hour (since 1970, they are of), op (this call's own id), now = number (ms)
-- reply: {'ok'} | {'full', ms until they fit}: nothing was counted
-- holds: an hour counts until it is 24 hours over; less is counted as far as there is some. What is lost between a
--   count and what it stands for is made up for in a day.
local HOUR, DAY = 3600000, 24 -- ms, hours
local OPS_KEPT = 216 -- eight ids of 26 letters, and a comma each
local oldest = math.floor(now / HOUR) - DAY
local all, ops, hours, sum = redis.call('HGETALL', uploads), '', {}, 0
for i = 1, #all, 2 do
  local h = tonumber(all[i])
  if not h then
    ops = all[i + 1]
  elseif h < oldest then
    redis.call('HDEL', uploads, all[i])
  else
    hours[#hours + 1] = {h, tonumber(all[i + 1])}
    sum = sum + tonumber(all[i + 1])
  end
end
if string.find(ops, op, 1, true) then return {'ok'} end
if size > 0 and sum + size > most then
  table.sort(hours, function(a, b) return a[1] < b[1] end)
  local fits = HOUR
  for _, h in ipairs(hours) do
    sum = sum - h[2]
    fits = (h[1] + DAY + 1) * HOUR - now
    if sum + size <= most then break end
  end
  return {'full', string.format('%d', math.max(1, fits))}
end
local left = (tonumber(redis.call('HGET', uploads, hour)) or 0) + size
if left > 0 then
  redis.call('HSET', uploads, hour, string.format('%d', left))
else
  redis.call('HDEL', uploads, hour)
end
redis.call('HSET', uploads, 'ops', string.sub(op .. ',' .. ops, 1, OPS_KEPT))
redis.call('EXPIRE', uploads, (DAY + 2) * 3600)
return {'ok'}
