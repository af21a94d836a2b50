using System.Net;
using Loire.Engine.Links;
using Loire.Engine.Replica;
using Loire.Engine.Sampling;
using Loire.Engine.State;
using Loire.Engine.Tests.Replica;

namespace Loire.Engine.Tests.Links;

/// <summary>A state from one replica to another over a socket, on backends that notice every wrong slot and page.</summary>
public sealed class StateLinkTests : IDisposable
{
    private const string Name = "state:1";
    private static readonly EngineOptions s_engine = new() { MaxTokensPerStep = 64, MaxPromptTokensBesideDecode = 16, ReadAheadTokens = 16, MaxWaiting = 64 };

    private static readonly byte[] s_head = [1, 2, 3];

    private readonly TensorListener _listener = new(new IPEndPoint(IPAddress.Loopback, 0), SplitReplica.Options, threads: 1);

    public void Dispose() => _listener.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)] // no tail
    [InlineData(65)]
    [InlineData(1000)]
    public async Task AState_GoesOnAtTheOtherEnd_AndItsBytesAreTheStatesOwn(int tokens)
    {
        await using var source = Engine(slots: 2, pages: 32);
        await using var target = Engine(slots: 2, pages: 32);
        var prompt = await LeaveAsync(source, "a", Prompt(1, tokens));
        var bytes = 0L;

        Assert.True(await SendAsync(source, target, "a", read: (link, into, cancellation) => bytes = link.Read(into, Anything, cancellation)));

        Assert.Equal(source.Shape.State.BytesOf(tokens), bytes);
        Assert.True(source.IsResident("a")); // sending copies
        await GoesOnAsync(target, "a", prompt);
        await EndAsync(source, "a");
        await AssertIdleAsync(source);
        await AssertIdleAsync(target);
    }

    [Fact]
    public async Task PagesThatTheOtherEndHas_AreHeldTwiceAndNotSent()
    {
        await using var source = Engine(slots: 4, pages: 32);
        await using var target = Engine(slots: 4, pages: 9);
        var beginning = Prompt(2, 200); // three full pages
        int[] left = await LeaveAsync(source, "left", [.. beginning, .. Prompt(3, 30)]);
        int[] right = await LeaveAsync(source, "right", [.. beginning, .. Prompt(4, 150)]);
        var bytes = 0L;
        await SendAsync(source, target, "left");

        Assert.True(await SendAsync(source, target, "right", lender: "left", sharedPages: 3, read: (link, into, cancellation) => bytes = link.Read(into, Anything, cancellation)));

        await target.AuditAsync();
        await target.AuditAsync(); // the load is published after the turn of the loop
        Assert.Equal(source.Shape.State.BytesOf(350) - (3 * StateShape.PageTokens * sizeof(int)), bytes);
        Assert.Equal(4 + 3, target.Load.PagesInUse); // of ten
        await GoesOnAsync(target, "left", left);
        await GoesOnAsync(target, "right", right); // its pages are there though the lender is gone
        await EndAsync(source, "left");
        await EndAsync(source, "right");
        await AssertIdleAsync(source);
        await AssertIdleAsync(target);
    }

    [Fact]
    public async Task ALenderThatIsGone_CostsOnlyBytes()
    {
        await using var source = Engine(slots: 2, pages: 32);
        await using var target = Engine(slots: 2, pages: 32);
        var prompt = await LeaveAsync(source, "a", Prompt(5, 150));
        var bytes = 0L;

        Assert.True(await SendAsync(source, target, "a", lender: "nobody", sharedPages: 2, read: (link, into, cancellation) => bytes = link.Read(into, Anything, cancellation)));

        Assert.Equal(source.Shape.State.BytesOf(150), bytes);
        await GoesOnAsync(target, "a", prompt);
        await EndAsync(source, "a");
        await AssertIdleAsync(target);
    }

    [Fact]
    public async Task AStateWithoutRoom_IsNotTaken_UnlessOthersGiveWay()
    {
        await using var source = Engine(slots: 2, pages: 32);
        await using var target = Engine(slots: 1, pages: 32);
        var prompt = await LeaveAsync(source, "a", Prompt(6, 90));
        await LeaveAsync(target, "old", Prompt(7, 30));

        Assert.False(await SendAsync(source, target, "a", mayEvict: false));
        Assert.True(target.IsResident("old"));
        Assert.True(await SendAsync(source, target, "a", mayEvict: true));
        Assert.False(target.IsResident("old"));

        await GoesOnAsync(target, "a", prompt);
        await EndAsync(source, "a");
        await AssertIdleAsync(target);
    }

    [Fact]
    public async Task ARunningTurn_DoesNotGiveWay()
    {
        await using var source = Engine(slots: 2, pages: 32);
        await using var target = Engine(slots: 1, pages: 32);
        await LeaveAsync(source, "a", Prompt(8, 90));
        var running = target.Start(Request(Prompt(9, 20), 2000));
        await running.Started;

        Assert.False(await SendAsync(source, target, "a", mayEvict: true));

        await running.ReleaseAsync(null);
        await EndAsync(source, "a");
        await AssertIdleAsync(target);
    }

    [Fact]
    public async Task APieceThatIsRefused_LeavesNothingBehind()
    {
        await using var source = Engine(slots: 2, pages: 32);
        await using var target = Engine(slots: 2, pages: 32);
        await LeaveAsync(source, "a", Prompt(10, 700));

        await Assert.ThrowsAsync<StateRefusedException>(() => SendAsync(source, target, "a", read: (link, into, cancellation) => link.Read(
            into, (index, piece, _) => throw new StateRefusedException($"{index}: {piece}"), cancellation)));

        Assert.False(target.IsResident("a"));
        await AssertIdleAsync(target);
        await EndAsync(source, "a");
        await AssertIdleAsync(source);
    }

    [Fact]
    public async Task AnOfferThatIsTakenBackInTheMiddle_LeavesNothingBehind()
    {
        await using var source = Engine(slots: 2, pages: 64);
        await using var target = Engine(slots: 2, pages: 64);
        await LeaveAsync(source, "a", Prompt(11, 3000));

        await Assert.ThrowsAsync<PartLostException>(() => SendAsync(source, target, "a", read: (link, into, cancellation) =>
        {
            _listener.Remove(Name); // as when the sending silo has waited long enough, or has died
            link.Read(into, Anything, cancellation);
        }));

        await AssertIdleAsync(target);
        await EndAsync(source, "a");
        await AssertIdleAsync(source);
    }

    [Fact]
    public async Task AFetchThatIsCancelled_LeavesNothingBehind()
    {
        await using var source = Engine(slots: 2, pages: 64);
        await using var target = Engine(slots: 2, pages: 64);
        await LeaveAsync(source, "a", Prompt(12, 3000));
        using var patience = new CancellationTokenSource();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => SendAsync(source, target, "a", cancellationToken: patience.Token, read: (link, into, cancellation) =>
        {
            patience.Cancel();
            link.Read(into, Anything, cancellation);
        }));

        await AssertIdleAsync(target);
        await EndAsync(source, "a");
        await AssertIdleAsync(source);
    }

    [Fact]
    public void AnOfferThatIsNotThere_IsNamed()
    {
        var lost = Assert.Throws<PartLostException>(() => StateLink.Open(new PartEndpoint(_listener.Address, "state:none"), SplitReplica.Options));
        Assert.Contains("state:none", lost.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AStateThatIsTwiceAtTheOtherEnd_IsThereOnce()
    {
        await using var source = Engine(slots: 2, pages: 32);
        await using var target = Engine(slots: 2, pages: 32);
        var prompt = await LeaveAsync(source, "a", Prompt(13, 90));

        Assert.True(await SendAsync(source, target, "a"));
        Assert.False(await SendAsync(source, target, "a"));

        await GoesOnAsync(target, "a", prompt);
        await EndAsync(source, "a");
        await AssertIdleAsync(target);
    }

    /// <summary>States come and go between three replicas that also run turns; nothing is lost, and every state is the right one.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task RandomMoves_KeepEveryStateAndLeakNothing(int seed)
    {
        var random = new Random(seed);
        ReplicaEngine[] engines = [Engine(slots: 4, pages: 24), Engine(slots: 3, pages: 24), Engine(slots: 5, pages: 24)];
        var beginning = Prompt(seed, 130);
        var sessions = Enumerable.Range(0, 6).Select(i => (Key: $"s{i}", Tokens: (int[])[.. beginning, .. Prompt(100 + i, 10 * i)], At: i % 3)).ToArray();
        for (var i = 0; i < sessions.Length; i++)
        {
            sessions[i].Tokens = await LeaveAsync(engines[sessions[i].At], sessions[i].Key, sessions[i].Tokens);
        }

        for (var round = 0; round < 60; round++)
        {
            var chosen = random.Next(sessions.Length);
            var (key, tokens, at) = sessions[chosen];
            var (from, to) = (engines[at], random.Next(3));
            if (random.Next(3) == 0)
            {
                var (prompt, state) = await TurnAsync(from, key, tokens);
                Assert.Equal(HashingBackend.Alone(prompt, 3), state[^3..]);
                sessions[chosen].Tokens = state[..^1];
            }
            else if (to != at && from.IsResident(key) && await SendAsync(from, engines[to], key, mayEvict: random.Next(2) == 0))
            {
                await from.ReleaseAsync(key);
                sessions[chosen].At = to;
            }
        }

        foreach (var engine in engines)
        {
            foreach (var session in sessions)
            {
                await engine.ReleaseAsync(session.Key);
            }

            await AssertIdleAsync(engine);
            await engine.DisposeAsync();
        }
    }

    private static void Anything(int index, StateBlob piece, ReadOnlySpan<byte> content)
    {
    }

    private static ReplicaEngine Engine(int slots, int pages) => new(new HashingBackend(slots, pages), contextLength: 4096, s_engine, tokenizer: null);

    private async Task<bool> SendAsync(
        ReplicaEngine source, ReplicaEngine target, string key, Action<StateLink, StateTarget, CancellationToken>? read = null,
        string? lender = null, int sharedPages = 0, bool mayEvict = true, CancellationToken cancellationToken = default)
    {
        var snapshot = await source.SnapshotAsync(key, CancellationToken.None);
        Assert.NotNull(snapshot);
        using var offer = new StateOffer(s_head, snapshot);
        var endpoint = _listener.Serve(Name, offer);
        try
        {
            using var link = StateLink.Open(endpoint, SplitReplica.Options);
            Assert.Equal(s_head, link.Head.ToArray());
            var restore = new StateRestore(snapshot.TokenCount, (into, cancellation) =>
            {
                (read ?? ((own, to, token) => own.Read(to, Anything, token)))(link, into, cancellation);
                return ValueTask.CompletedTask;
            });
            return await target.AdoptAsync(new StateAdoption(key, restore, lender, sharedPages, mayEvict), cancellationToken);
        }
        finally
        {
            _listener.Remove(Name);
        }
    }

    /// <summary>Leaves the state of exactly these tokens.</summary>
    private static async Task<int[]> LeaveAsync(ReplicaEngine engine, string key, int[] tokens)
    {
        var sequence = engine.Start(Request(tokens, 1));
        await ReadAsync(sequence);
        await sequence.ReleaseAsync(key);
        return tokens;
    }

    /// <summary>One more turn on a state, wherever it comes from.</summary>
    private static async Task<(int[] Prompt, int[] All)> TurnAsync(ReplicaEngine engine, string key, int[] tokens)
    {
        int[] prompt = [.. tokens, 7];
        var sequence = engine.Start(Request(prompt, 3) with { ResidentKey = key });
        var generated = await ReadAsync(sequence);
        await sequence.ReleaseAsync(key);
        return (prompt, [.. prompt, .. generated]);
    }

    private static async Task GoesOnAsync(ReplicaEngine engine, string key, int[] tokens)
    {
        int[] prompt = [.. tokens, 5, 6];
        var sequence = engine.Start(Request(prompt, 20) with { ResidentKey = key });
        Assert.Equal(new SequenceStart(tokens.Length, FromDevice: true, Warning: null), await sequence.Started);
        Assert.Equal(HashingBackend.Alone(prompt, 20), await ReadAsync(sequence));
        await sequence.ReleaseAsync(null);
    }

    private static async Task EndAsync(ReplicaEngine engine, string key) => Assert.True(await engine.ReleaseAsync(key));

    private static int[] Prompt(int seed, int length)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(50))];
    }

    private static SequenceRequest Request(int[] tokens, int generate) => new() { Tokens = tokens, Sampling = SamplingSettings.Greedy, MaxNewTokens = generate };

    private static async Task<int[]> ReadAsync(ISequence sequence)
    {
        var (tokens, buffer) = (new List<int>(), new GeneratedToken[7]);
        while (await sequence.ReadAsync(buffer, CancellationToken.None) is > 0 and var count)
        {
            tokens.AddRange(buffer.Take(count).Select(token => token.Id));
        }

        return [.. tokens];
    }

    private static async Task AssertIdleAsync(ReplicaEngine engine)
    {
        await engine.AuditAsync();
        await engine.AuditAsync(); // the load is published after the turn of the loop that audits
        Assert.Equal((0, 0, 0, 0), (engine.Load.SlotsInUse, engine.Load.PagesInUse, engine.Load.Resident, engine.Load.ResidentPages));
    }
}
