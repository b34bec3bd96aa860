-- scope_of(reply): whose a canned reply is: a queue's, an agent's, or everybody's.
local function scope_of(reply)
  if reply.queue ~= '' then return 'q:' .. reply.queue end
  return reply.agent ~= '' and 'a:' .. reply.agent or ''
end
