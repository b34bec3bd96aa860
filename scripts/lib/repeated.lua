-- repeated(log, seq): the answer to a message that is there already.
local function repeated(log, seq)
  local entry = redis.call('XRANGE', log, seq .. '-0', seq .. '-0')[1]
  if not entry then return {'dup', seq} end
  return {'dup', seq, entry[2][2], entry[2][8]}
end
