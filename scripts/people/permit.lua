-- permit: what one participant does, counted in its own partition for all nodes.
-- KEYS: rate (with the ids of the last four calls)
-- ARGV: interval = number (µs), burst = number, op (this call's own id), n = number (how many),
--   how ('1': they were done already, and count whatever the rate says)
-- reply: {'ok', wait} | {'rate_limited', wait}: ms until the next one may be
-- holds: of those asked before ('0'), at most burst + time / interval are let through.
local OPS_KEPT = 108 -- four ids of 26 letters, and a comma each
local MINUTE = 60000000 -- µs
local LONGER = 10000 -- ms that it is kept after it matters
local done = how == '1'
local t = redis.call('TIME')
local now, most = t[1] * 1000000 + t[2], interval * burst
local held, ops = string.match(redis.call('GET', rate) or '', '^(%d+)|(.*)$')
-- What was done already may be beyond the burst; what is a minute beyond is a clock's fault.
local from = math.min(math.max(tonumber(held or 0), now), now + most + (done and MINUTE or 0))
local to = from + n * interval
local function wait(at) return math.max(0, math.ceil((at + interval - most - now) / 1000)) end

if ops and string.find(ops, op, 1, true) then return {'ok', wait(from)} end
if not done and to > now + most then return {'rate_limited', wait(from)} end
redis.call('SET', rate, string.format('%d|%s', to, string.sub(op .. ',' .. (ops or ''), 1, OPS_KEPT)),
  'PX', string.format('%d', math.ceil((to - now) / 1000) + LONGER))
return {'ok', wait(to)}
