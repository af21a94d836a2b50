-- token, milliseconds of the lease  ->  1 begun | 0 another sweeps, and the server's run id
-- The notes first: a full server refuses a script whose first write needs memory, and a sweep is what makes room.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if redis.call('EXISTS', prefix .. 'sweep') == 1 then
  return { 0, run }
end
redis.call('DEL', prefix .. 'notes')
redis.call('SET', prefix .. 'sweep', ARGV[1], 'PX', ARGV[2])
return { 1, run }
