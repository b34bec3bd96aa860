-- What `authors` says. It holds two bytes a message: its author's code (nobody's for a system message, which
-- never counts) and, in the top bit, whether it is a note. It outlives the log's trimming, so a count is exact for any mark.
-- The codes: of nobody, of the user (there is one), of a host, of a bot without an account, of the first agent.
local NOBODY, USER, HOST, BOT, FIRST_AGENT = 0, 1, 3, 4, 16
local NOTE = 128

-- count(authors, from, to, own, user): messages of others in [from, to], both inclusive, that this reader may see.
local function count(authors, from, to, own, user)
  if from > to then return 0 end
  local bytes = redis.call('GETRANGE', authors, (from - 1) * 2, to * 2 - 1)
  local n = 0
  for i = 1, #bytes, 2 do
    local hi, lo = string.byte(bytes, i, i + 1)
    local code = (hi % NOTE) * 256 + lo
    if code ~= NOBODY and code ~= own and not (user and hi >= NOTE) then n = n + 1 end
  end
  return n
end

-- author(code, note): the two bytes of one message.
local function author(code, note)
  return string.char(math.floor(code / 256) + (note and NOTE or 0), code % 256)
end
