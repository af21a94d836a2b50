-- id, record, digest of the last page end, now, addresses of the blobs (64 digits each)  ->  -1 stored | index of a blob that is not
local id, record, mark, now, blobs = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
for i = 0, #blobs / 64 - 1 do
  if redis.call('EXISTS', key('b', string.sub(blobs, i * 64 + 1, i * 64 + 64))) == 0 then
    return { i, counts() }
  end
end
local type = typeOf('m', id)
local before = 0
if type == 'hash' then
  before = measure('m', id)
elseif type ~= 'none' then
  redis.call('UNLINK', key('m', id))
end
redis.call('HSET', key('m', id), 'r', record, 'b', blobs, 'p', mark)
touch('checkpoints', id, now)
touch('marks', mark, now)
note('m', id)
grow(#record + #blobs - before)
return { -1, counts() }
