-- What a send must do, with no check and no answer to build.
-- KEYS 1 session 2 log 3 unread 4 keys 5 authors 6 dirty; ARGV 1 by 2 key 3 head 4 body
local t = redis.call('TIME')
local at = t[1] * 1000 + math.floor(t[2] / 1000)
local s = redis.call('HMGET', KEYS[1], 'state', 'seq')
local seq = s[2] + 1
local unread = redis.call('HGETALL', KEYS[3])
local counts = {}
for i = 1, #unread, 2 do
  if unread[i] ~= ARGV[1] then counts[#counts + 1], counts[#counts + 2] = unread[i], unread[i + 1] + 1 end
end
redis.call('HSETNX', KEYS[4], ARGV[2], seq)
redis.call('XADD', KEYS[2], seq .. '-0', 'at', at, 'by', ARGV[1], 'key', ARGV[2], 'h', ARGV[3], 'b', ARGV[4])
redis.call('HSET', KEYS[1], 'seq', seq, 'last', at)
redis.call('HSET', KEYS[3], unpack(counts))
redis.call('APPEND', KEYS[5], '\0\1')
redis.call('ZADD', KEYS[6], 'NX', at, KEYS[1])
redis.call('PUBLISH', KEYS[1], table.concat({'M' .. seq, at, ARGV[1], ARGV[2], ARGV[3], ARGV[4]}, '\31'))
return {seq, at}
