-- id, now  ->  its record, or nothing. It is used now.
local record = redis.call('HGET', key('m', ARGV[1]), 'r')
if not record then
  return false
end
-- A full server still gives what it has; without the touch it may go with the next sweep.
if type(redis.pcall('ZADD', prefix .. 'checkpoints', 'GT', ARGV[2], ARGV[1])) == 'number' then
  note('m', ARGV[1])
end
return record
