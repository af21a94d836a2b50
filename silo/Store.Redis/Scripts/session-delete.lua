-- session, owner, expected epoch, swap, milliseconds that the answer is remembered
-- ->  1 deleted | 0 and the epoch that is stored | -2 the stored epoch is not readable
local id, owner, expected, swap, keep = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local name = key('s', id)
local epoch = redis.call('HGET', name, 'e')
if redis.call('GET', key('x', id)) == swap then
  return { 1, '0', counts() } -- this very deletion, asked again since its answer was lost
end
if not epoch and redis.call('EXISTS', name) == 1 then
  return { -2, '', counts() }
end
if not epoch or epoch ~= expected then
  return { 0, epoch or '0', counts() }
end
local bytes = redis.call('HSTRLEN', name, 'r')
redis.call('DEL', name)
redis.call('ZREM', prefix .. 'sessions', id)
redis.call('ZREM', key('o', owner), id)
redis.call('SET', key('x', id), swap, 'PX', keep)
grow(-bytes)
return { 1, '0', counts() }
