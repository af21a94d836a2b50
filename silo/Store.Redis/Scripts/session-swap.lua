-- session, owner, expected epoch, next epoch, record, swap, head or '', fork turn or '', open checkpoint or '', time of the change
-- ->  1 moved | 0 and the epoch that is stored | -1 the head is not stored | -2 the stored epoch is not readable
local id, owner, expected, epoch, record, swap, head, fork, open, now = unpack(ARGV)
local name = key('s', id)
local found = redis.call('HMGET', name, 'e', 'w')
if not found[1] then
  if redis.call('EXISTS', name) == 1 then
    return { -2, '', counts() }
  end
  found[1] = '0'
end
if found[2] == swap and found[1] == epoch then
  return { 1, epoch, counts() } -- this very swap, asked again since its answer was lost
end
if found[1] ~= expected then
  return { 0, found[1], counts() }
end
if head ~= '' and redis.call('EXISTS', key('t', head)) == 0 then
  return { -1, found[1], counts() }
end
local before = redis.call('HSTRLEN', name, 'r')
redis.call('HSET', name, 'e', epoch, 'w', swap, 'r', record, 'h', head, 'f', fork, 'o', open)
redis.call('ZADD', prefix .. 'sessions', now, id)
redis.call('ZADD', key('o', owner), now, id)
note('t', head)
note('t', fork)
note('m', open)
grow(#record - before)
return { 1, epoch, counts() }
