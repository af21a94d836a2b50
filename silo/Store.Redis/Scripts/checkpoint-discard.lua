-- id
local bytes = measure('m', ARGV[1])
if redis.call('DEL', key('m', ARGV[1])) == 1 then
  grow(-bytes)
end
redis.call('ZREM', prefix .. 'checkpoints', ARGV[1])
return counts()
