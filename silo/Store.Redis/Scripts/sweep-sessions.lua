-- session...  ->  for each: head, fork turn, open checkpoint; or nothing when it is gone; or its name when it cannot be read
local answers = {}
for i = 1, #ARGV do
  local kind = typeOf('s', ARGV[i])
  if kind == 'none' then
    answers[i] = {}
  elseif kind ~= 'hash' then
    answers[i] = { kind }
  else
    local found = redis.call('HMGET', key('s', ARGV[i]), 'h', 'f', 'o', 'e', 'r')
    if found[1] and found[2] and found[3] and found[4] and found[5] then
      answers[i] = { found[1], found[2], found[3] }
    else
      answers[i] = { 'fields' }
    end
  end
end
return answers
