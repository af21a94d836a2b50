-- now, id...  ->  for each 1, or 0 when it is not there (any more)
local answers = {}
for i = 2, #ARGV do
  answers[i - 1] = typeOf('b', ARGV[i]) == 'string' and 1 or 0
  if answers[i - 1] == 1 then
    confirm(ARGV[i], ARGV[1])
  end
end
return { answers, counts() }
