-- head_of(log, recalled, seq): the head of a message that Redis has, recalled or not, else nil.
local function head_of(log, recalled, seq)
  local entry = redis.call('XRANGE', log, seq .. '-0', seq .. '-0')[1]
  if entry then return entry[2][8] end
  local gone = redis.call('HGET', recalled, seq)
  return gone and cjson.decode(gone).h
end

-- is_of(head, mid): whether it is that message's.
local function is_of(head, mid)
  return string.sub(head, 1, #mid + 8) == '"mid":"' .. mid .. '"'
end
