-- token, milliseconds of the lease, run id  ->  nothing when the lease is lost, or what was noted since the last time
if redis.call('GET', prefix .. 'sweep') ~= ARGV[1] or not string.find(redis.call('INFO', 'server'), ARGV[3], 1, true) then
  return false
end
redis.call('PEXPIRE', prefix .. 'sweep', ARGV[2])
local notes = redis.call('LRANGE', prefix .. 'notes', 0, 9999)
redis.call('LTRIM', prefix .. 'notes', #notes, -1)
return notes
