-- index, id...  ->  1 or 0 for each: it is in the index
local answers = {}
for i = 2, #ARGV do
  answers[i - 1] = redis.call('ZSCORE', prefix .. ARGV[1], ARGV[i]) and 1 or 0
end
return answers
