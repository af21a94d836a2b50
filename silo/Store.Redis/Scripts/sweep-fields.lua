-- kind, field, id...  ->  the field of each
local answers = {}
for i = 3, #ARGV do
  answers[i - 2] = typeOf(ARGV[1], ARGV[i]) == 'hash' and redis.call('HGET', key(ARGV[1], ARGV[i]), ARGV[2])
end
return answers
