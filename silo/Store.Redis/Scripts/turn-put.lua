-- id, record, parent or '', depth, checkpoint or '', now  ->  1 stored | 0 its parent is not
local id, record, parent, depth, checkpoint, now = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
if parent ~= '' and redis.call('EXISTS', key('t', parent)) == 0 then
  return { 0, counts() }
end
local before = redis.call('HSTRLEN', key('t', id), 'r')
redis.call('HSET', key('t', id), 'r', record, 'p', parent, 'd', depth, 'c', checkpoint)
touch('turns', id, now)
note('t', id)
note('m', checkpoint)
grow(#record - before)
return { 1, counts() }
