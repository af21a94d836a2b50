-- token
if redis.call('GET', prefix .. 'sweep') == ARGV[1] then
  redis.call('DEL', prefix .. 'sweep', prefix .. 'notes')
end
return counts()
