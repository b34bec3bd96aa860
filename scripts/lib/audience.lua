-- audience(unread, by, note): whether `by` takes part, and {participant, its unread with one more, …} of all others who may see what it writes.
local function audience(unread, by, note)
  local all, member, counts = redis.call('HGETALL', unread), string.sub(by, 1, 2) == 'h:', {}
  for i = 1, #all, 2 do
    local p = all[i]
    if p == by then
      member = true
    elseif not (note and string.sub(p, 1, 2) == 'u:') then
      counts[#counts + 1], counts[#counts + 2] = p, string.format('%d', all[i + 1] + 1)
    end
  end
  return member, counts
end
