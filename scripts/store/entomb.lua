-- entomb: a partition's own keys are put away, once for all, and what no script can use takes their place.
-- KEYS: work... = timers|dirty|aside|late|hooks|hooks_late|dead|outbox|sessions|states|agents|named|nodes|clearing|leases|epoch|recovering|stats|flusher|strange|rules|queues|canned|crews|presences|dispatchers|alive|epochs|labelled|frozen
--   (each, and what it is called from now on)
-- ARGV: none
-- reply: {'ok'}
-- holds: no script of a node that still is on this partition begins anything afterwards: each reads or writes one of these first, and fails.
for i = 1, #work, 2 do
  local kind = redis.call('TYPE', work[i]).ok
  if kind ~= 'list' then
    if kind ~= 'none' then redis.call('RENAMENX', work[i], work[i + 1]) end
    redis.call('DEL', work[i])
    redis.call('RPUSH', work[i], 'moved')
  end
end
return {'ok'}
