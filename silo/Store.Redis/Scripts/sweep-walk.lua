-- turn, most steps  ->  id, parent, checkpoint of each along the chain; a last id alone is one that is missing or cannot be read
local answers, id = {}, ARGV[1]
for _ = 1, tonumber(ARGV[2]) do
  if typeOf('t', id) ~= 'hash' then
    answers[#answers + 1] = id
    break
  end
  local found = redis.call('HMGET', key('t', id), 'p', 'c')
  answers[#answers + 1] = id
  if not found[1] or not found[2] or (found[1] ~= '' and not string.find(found[1], '^%x+$')) or #found[1] % 64 ~= 0 then
    break
  end
  answers[#answers + 1] = found[1]
  answers[#answers + 1] = found[2]
  id = found[1]
  if id == '' then
    break
  end
end
return answers
