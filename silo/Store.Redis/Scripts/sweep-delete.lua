-- token, milliseconds of the lease, run id, kind or '', index, no use since, id...
-- ->  -1 the lease is lost | -2 something was noted | 0, bytes freed, counts, those used since: when there are any, nothing is deleted
if redis.call('GET', prefix .. 'sweep') ~= ARGV[1] or not string.find(redis.call('INFO', 'server'), ARGV[3], 1, true) then
  return { -1 }
end
if redis.call('EXISTS', prefix .. 'notes') == 1 then
  return { -2 }
end
redis.call('PEXPIRE', prefix .. 'sweep', ARGV[2])
local kind, index, expiry = ARGV[4], prefix .. ARGV[5], tonumber(ARGV[6])
local used = {}
for i = 7, #ARGV do
  local score = redis.call('ZSCORE', index, ARGV[i])
  if score and tonumber(score) >= expiry then
    used[#used + 1] = ARGV[i]
  end
end
local freed, deleted = 0, 0
if #used == 0 then
  for i = 7, #ARGV do
    deleted = deleted + redis.call('ZREM', index, ARGV[i])
    if kind ~= '' then
      local bytes, names = measure(kind, ARGV[i])
      unlink(names)
      freed = freed + bytes
    end
  end
  grow(-freed)
end
return { 0, freed, deleted, counts(), used }
