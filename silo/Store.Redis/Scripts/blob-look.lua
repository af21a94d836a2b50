-- now, most bytes or 0, then id and bytes of content, id and bytes, ...
-- ->  0 | -2 there is no room for those that are not there; then for each: nothing, or its head and the bytes of content that are there
-- What is there is used now.
local answers, missing = {}, 0
for i = 3, #ARGV, 2 do
  local id = ARGV[i]
  local kind = typeOf('b', id)
  local answer = {}
  if kind == 'none' then
    missing = missing + ARGV[i + 1] + HEAD
  elseif kind ~= 'string' then
    answer = { kind, -1 }
  else
    local head = redis.call('GETRANGE', key('b', id), 0, HEAD - 1)
    answer = { head, (content(id, head, redis.call('STRLEN', key('b', id)))) }
    confirm(id, ARGV[1])
  end
  answers[#answers + 1] = answer
end
local most = tonumber(ARGV[2])
local isFull = most > 0 and missing > 0 and tonumber(redis.call('GET', prefix .. 'bytes') or '0') + missing > most
return { isFull and -2 or 0, answers, counts() }
