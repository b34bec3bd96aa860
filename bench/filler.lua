-- Copies a session for a benchmark.
-- ARGV 1 its id 2 the first number 3 how many 4 how many keys; then those keys, then list, member and score of each list it is in
local id, first, n, keys = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
for i = first, first + n - 1 do
  local new = id:sub(1, -9) .. string.format('%08d', i)
  for k = 5, 4 + keys do
    local from, to = ARGV[k]:find(id, 1, true)
    redis.call('COPY', ARGV[k], ARGV[k]:sub(1, from - 1) .. new .. ARGV[k]:sub(to + 1))
  end
  for k = 5 + keys, #ARGV, 3 do
    local from, to = ARGV[k + 1]:find(id, 1, true)
    redis.call('ZADD', ARGV[k], ARGV[k + 2], ARGV[k + 1]:sub(1, from - 1) .. new .. ARGV[k + 1]:sub(to + 1))
  end
end
return n
