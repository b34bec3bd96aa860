-- count(authors, from, to, own, user): messages of others in [from, to], both
-- inclusive, that this reader may see. `authors` holds two bytes a message: its
-- author's code (0: a system message, which never counts) and, in the top bit,
-- whether it is a note. It outlives the log's trimming, so the count is exact
-- for any mark.
local function count(authors, from, to, own, user)
  if from > to then return 0 end
  local bytes = redis.call('GETRANGE', authors, (from - 1) * 2, to * 2 - 1)
  local n = 0
  for i = 1, #bytes, 2 do
    local hi, lo = string.byte(bytes, i, i + 1)
    local code = (hi % 128) * 256 + lo
    if code ~= 0 and code ~= own and not (user and hi >= 128) then n = n + 1 end
  end
  return n
end

-- author(code, note): the two bytes of one message.
local function author(code, note)
  return string.char(math.floor(code / 256) + (note and 128 or 0), code % 256)
end
