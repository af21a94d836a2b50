-- now, id...  ->  for each: nothing, or its head and the bytes of content that are there. What is there is used now.
local answers = {}
for i = 2, #ARGV do
  local id = ARGV[i]
  local kind = typeOf('b', id)
  if kind == 'none' then
    answers[i - 1] = {}
  elseif kind ~= 'string' then
    answers[i - 1] = { kind, -1 }
  else
    local length = redis.call('STRLEN', key('b', id))
    local head = redis.call('GETRANGE', key('b', id), 0, HEAD - 1)
    local bytes = content(id, head, length)
    answers[i - 1] = { head, bytes }
    redis.pcall('ZADD', prefix .. 'blobs', 'GT', ARGV[1], id) -- a full server still says what it has
  end
end
return answers
