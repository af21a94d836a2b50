using Loire.Store.Redis;
using Microsoft.Extensions.Logging.Abstractions;
using static Loire.Store.Tests.Samples;

namespace Loire.Store.Tests;

/// <summary>Random lives of a store against a model of it: turns, forks, rewinds, deletions, crashes and sweeps, then an audit of every key.</summary>
[Collection(SharedRedisCollection.Name)]
public sealed class RandomOperationsTests(SharedRedis redis)
{
    private const int Operations = 250;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task Nothing_reachable_is_lost_and_nothing_old_and_unreachable_stays(int seed)
    {
        var life = await Life.BeginAsync(seed, redis);
        for (var i = 0; i < Operations; i++)
        {
            await life.StepAsync();
        }

        await life.SweepAndAuditAsync();
        await life.DisposeAsync();
    }

    [Fact]
    public async Task The_random_lives_do_everything_that_they_claim()
    {
        var life = await Life.BeginAsync(seed: 7, redis);
        for (var i = 0; i < Operations * 2; i++)
        {
            await life.StepAsync();
        }

        Assert.All(life.Done, done => Assert.True(done.Value > 0, $"{done.Key} never happened"));
        await life.DisposeAsync();
    }

    private sealed class Life : IAsyncDisposable
    {
        private static readonly TimeSpan TimeToLive = TimeSpan.FromHours(1);
        private readonly Random _random;
        private readonly SharedRedis _redis;
        private readonly string _cluster = SharedRedis.NewCluster();
        private readonly FakeTime _time = new();
        private readonly StoreModel _model = new(TimeToLive, keepCheckpoints: 2);
        private RedisStore _store;
        private int _names;

        private Life(int seed, SharedRedis redis)
        {
            (_random, _redis) = (new Random(seed), redis);
            _store = Open();
        }

        public static async Task<Life> BeginAsync(int seed, SharedRedis redis)
        {
            var life = new Life(seed, redis);
            await life._store.CheckAsync();
            return life;
        }

        public Dictionary<string, int> Done { get; } = new()
        {
            ["turns"] = 0,
            ["lost turns"] = 0,
            ["forks"] = 0,
            ["rewinds"] = 0,
            ["deletions"] = 0,
            ["prefix hits"] = 0,
            ["restarts"] = 0,
            ["turns swept"] = 0,
            ["checkpoints swept"] = 0,
            ["blobs swept"] = 0,
        };

        public async Task StepAsync()
        {
            _time.Advance(TimeSpan.FromMinutes(_random.Next(8)));
            await (_random.Next(20) switch
            {
                < 9 => TurnAsync(),
                < 11 => ForkAsync(),
                < 13 => RewindAsync(),
                < 14 => DeleteAsync(),
                < 16 => FindAsync(),
                < 17 => RestartAsync(),
                < 18 => Idle(),
                _ => SweepAndAuditAsync(),
            });
        }

        private Task Idle()
        {
            _time.Advance(TimeToLive * _random.NextDouble());
            return Task.CompletedTask;
        }

        public async Task SweepAndAuditAsync()
        {
            var report = await _store.SweepAsync();
            _model.Sweep(_time.GetUtcNow());
            Done["turns swept"] += report.TurnsDeleted;
            Done["checkpoints swept"] += report.CheckpointsDeleted;
            Done["blobs swept"] += report.BlobsDeleted;
            Assert.Empty(report.Damaged);
            await AssertKeysAsync("t", RedisKeys.Turns, _model.Turns.Keys);
            await AssertKeysAsync("m", RedisKeys.Checkpoints, _model.Checkpoints.Keys);
            await AssertKeysAsync("b", RedisKeys.Blobs, _model.Blobs);
            await AssertKeysAsync("s", RedisKeys.Sessions, _model.Sessions.Values.Select(session => RedisKeys.SessionOf(session.Owner, session.Id)));
            Assert.Equal(await BytesInRedisAsync(), _store.Usage.Bytes);
            await AuditSessionsAsync();
        }

        public ValueTask DisposeAsync() => _store.DisposeAsync();

        private RedisStore Open() => new(
            new RedisStoreOptions { Connection = _redis.Address, Cluster = _cluster, TimeToLive = TimeToLive, KeepCheckpoints = 2 },
            _time,
            NullLogger<RedisStore>.Instance);

        private async Task TurnAsync()
        {
            var session = await PickOrCreateAsync();
            var parent = session.Head is { } head ? _model.Turns[head] : null;
            var added = Enumerable.Range(0, _random.Next(1, 11)).Select(_ => _random.Next(3)).ToList();
            int[] tokens = [.. _model.TokensAt(session.Head), .. added];
            var checkpoint = _random.Next(5) == 0 ? null : await SaveAsync(Prefix(tokens), _random.Next(1, tokens.Length + 1));
            var turn = Turn(parent, added, _time, checkpoint);
            await _store.PutTurnAsync(turn);
            _model.Turns[turn.Id] = turn;
            _model.LastUse[turn.Id] = _time.GetUtcNow();
            if (_random.Next(8) == 0)
            {
                Done["lost turns"]++; // as if the process had died here
                return;
            }

            await MoveAsync(session, session.MoveTo(turn.Id, _time.GetUtcNow()), session.Epoch);
            Done["turns"]++;
        }

        private async Task<CheckpointManifest> SaveAsync(PrefixDigests prefix, int tokens)
        {
            var references = await _store.PutBlobsAsync(Blobs(prefix, tokens));
            foreach (var reference in references)
            {
                _model.Blobs.Add(reference.Address);
                _model.LastUse[reference.Address] = _time.GetUtcNow();
            }

            var manifest = CheckpointManifest.Create(prefix, tokens, DType, references, _time.GetUtcNow());
            if (_random.Next(8) != 0)
            {
                await _store.PutCheckpointAsync(manifest);
                _model.Checkpoints[manifest.Address] = manifest;
                _model.LastUse[manifest.Address] = _time.GetUtcNow();
            }

            return manifest;
        }

        private async Task ForkAsync()
        {
            if (Pick() is { } origin)
            {
                var turn = _model.Chain(origin.Head).Select(turn => turn.Id).Take(_random.Next(1, 6)).LastOrDefault();
                var fork = origin.Fork($"session {_names++}", _time.GetUtcNow(), turn == default ? null : turn);
                await MoveAsync(null, fork, 0);
                Done["forks"]++;
            }
        }

        private async Task RewindAsync()
        {
            if (Pick() is { Head: { } head } session)
            {
                var target = await _store.AncestorAsync(head, _random.Next(1, 4));
                await MoveAsync(session, session.MoveTo(target, _time.GetUtcNow()), session.Epoch);
                Done["rewinds"]++;
            }
        }

        private async Task DeleteAsync()
        {
            if (Pick() is { } session)
            {
                Assert.True(await _store.DeleteSessionAsync(session.Owner, session.Id, session.Epoch));
                _model.Sessions.Remove(session.Id);
                Done["deletions"]++;
            }
        }

        private async Task FindAsync()
        {
            int[] tokens = [.. _model.TokensAt(Pick()?.Head), .. Enumerable.Range(0, _random.Next(4)).Select(_ => _random.Next(3))];
            var max = _random.Next(tokens.Length + 3);
            var prefix = Prefix(tokens);
            var found = await _store.FindLongestPrefixAsync(prefix, max);

            Assert.Equal(_model.LongestPrefix(prefix, max), found?.TokenCount ?? 0);
            if (found is not null)
            {
                found.RequireMatch(prefix, DType);
                _model.LastUse[found.Address] = _time.GetUtcNow();
                Done["prefix hits"]++;
            }
        }

        private async Task RestartAsync()
        {
            var before = _store.Usage;
            await _store.DisposeAsync();
            _store = Open();
            await _store.CheckAsync();
            var after = _store.Usage;
            Assert.Equal(
                (before.Bytes, before.Blobs, before.Checkpoints, before.Turns, before.Sessions),
                (after.Bytes, after.Blobs, after.Checkpoints, after.Turns, after.Sessions));
            Done["restarts"]++;
        }

        private async Task AuditSessionsAsync()
        {
            var listed = new Dictionary<string, SessionReference>();
            await foreach (var session in _store.ListSessionsAsync(Alice))
            {
                listed.Add(session.Id, session);
            }

            Assert.Equivalent(_model.Sessions, listed, strict: true);
            foreach (var session in listed.Values)
            {
                Assert.Equal(_model.TokensAt(session.Head), (await _store.ReadHistoryAsync(session.Head)).Tokens);
            }

            foreach (var address in _model.Reached().Checkpoints.Where(_model.Checkpoints.ContainsKey))
            {
                var path = _store.Context.Keys.Checkpoint(address);
                byte[]? record = await _redis.Raw.HashGetAsync(path, "r");
                var manifest = RedisRecords.TryUnpack(RecordFormats.Checkpoints, record, path, out _)
                    ?? throw new InvalidOperationException($"'{path}' is gone.");
                await AssertRestoresAsync(_store, manifest);
            }
        }

        private async Task<SessionReference> PickOrCreateAsync()
        {
            if (_random.Next(6) != 0 && Pick() is { } session)
            {
                return session;
            }

            var created = SessionReference.Create(Alice, $"session {_names++}", Model, _time.GetUtcNow());
            await MoveAsync(null, created, 0);
            return created;
        }

        private SessionReference? Pick() =>
            _model.Sessions.Count == 0 ? null : _model.Sessions.Values.ElementAt(_random.Next(_model.Sessions.Count));

        private async Task MoveAsync(SessionReference? from, SessionReference next, long expectedEpoch)
        {
            Assert.True(await _store.TrySwapSessionAsync(next, expectedEpoch));
            if (from is not null)
            {
                Assert.False(await _store.TrySwapSessionAsync(next, expectedEpoch), "The same epoch was left twice.");
            }

            _model.Sessions[next.Id] = next;
        }

        private async Task AssertKeysAsync(string kind, string index, IEnumerable<Digest> expected)
        {
            var names = expected.Select(address => address.ToString()).Order().ToList();
            var prefix = _store.Context.Keys.Prefix + kind + ":";
            Assert.Equal(names, (await KeysLikeAsync(kind + ":*")).Select(key => key[prefix.Length..]).Order());
            Assert.Equal(names, (await _redis.Raw.SortedSetRangeByRankAsync(_store.Context.Keys.Index(index))).Select(member => (string)member!).Order());
        }

        private async Task<long> BytesInRedisAsync()
        {
            var bytes = 0L;
            foreach (var key in await KeysLikeAsync("b:*"))
            {
                bytes += await _redis.Raw.StringLengthAsync(key);
            }

            foreach (var key in await KeysLikeAsync("[tms]:*"))
            {
                bytes += ((byte[]?)await _redis.Raw.HashGetAsync(key, "r"))?.Length ?? 0;
                bytes += ((byte[]?)await _redis.Raw.HashGetAsync(key, "b"))?.Length ?? 0;
            }

            return bytes;
        }

        private async Task<List<string>> KeysLikeAsync(string pattern)
        {
            var found = (await _redis.Raw.ExecuteAsync("KEYS", _store.Context.Keys.Prefix.Replace("{", "\\{", StringComparison.Ordinal) + pattern)).Texts();
            return [.. found];
        }
    }
}
