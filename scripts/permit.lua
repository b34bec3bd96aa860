-- permit: what one participant does, counted in its own partition for all nodes.
-- KEYS  1 its rate, with the ids of the last four calls
-- ARGV  1 interval: µs 2 burst 3 this call's own id 4 how many
--       5 '1': they were done already, and count whatever the rate says
-- reply {'ok', wait} | {'rate_limited', wait}: ms until the next one may be
-- holds of those asked before ('0'), at most burst + time / interval are let through.
local interval, burst, n, done = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[4]), ARGV[5] == '1'
local t = redis.call('TIME')
local now, most = t[1] * 1000000 + t[2], interval * burst
local held, ops = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+)|(.*)$')
-- What was done already may be beyond the burst; what is a minute beyond is a clock's fault.
local from = math.min(math.max(tonumber(held or 0), now), now + most + (done and 60000000 or 0))
local to = from + n * interval
local function wait(at) return math.max(0, math.ceil((at + interval - most - now) / 1000)) end

if ops and string.find(ops, ARGV[3], 1, true) then return {'ok', wait(from)} end
if not done and to > now + most then return {'rate_limited', wait(from)} end
redis.call('SET', KEYS[1], string.format('%d|%s', to, string.sub(ARGV[3] .. ',' .. (ops or ''), 1, 108)),
  'PX', string.format('%d', math.ceil((to - now) / 1000) + 10000))
return {'ok', wait(to)}
