-- KEYS: 1 the state. Returns {its version, its bytes}, either of which may be nothing.
return redis.call('HMGET', KEYS[1], 'etag', 'data')
