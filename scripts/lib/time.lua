-- now(): Redis's clock in ms. Every time a script writes or compares is this one.
local function now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
