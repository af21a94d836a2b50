using Loire.Engine.Replica;
using Loire.Engine.State;
using Loire.Engine.Sampling;

namespace Loire.Engine.Tests.Replica;

/// <summary>The step loop on a backend that notices every wrong slot and page, however many steps are under way.</summary>
public abstract partial class ReplicaEngineTests(int mostUnderWay, int turns)
{
    private static readonly EngineOptions Options = new() { MaxTokensPerStep = 40, MaxPromptTokensBesideDecode = 16, ReadAheadTokens = 16, MaxWaiting = 64 };

    [Fact]
    public async Task Sequences_GenerateTheSameTogetherAsAlone()
    {
        await using var engine = Engine(slots: 8, pages: 64);
        var runs = Enumerable.Range(0, 20).Select(i => RunAsync(engine, Prompt(i, 3 + (i * 17)), generate: 30));

        foreach (var (prompt, generated) in await Task.WhenAll(runs))
        {
            Assert.Equal(HashingBackend.Alone(prompt, 30), generated);
        }

        await AssertIdleAsync(engine);
    }

    [Fact]
    public async Task WhenPagesRunOut_TheYoungestStartOver_AndNobodyNotices()
    {
        await using var engine = Engine(slots: 6, pages: 7); // six sequences of up to five pages
        var runs = Enumerable.Range(0, 6).Select(i => RunAsync(engine, Prompt(i, 50 + i), generate: 250));

        foreach (var (prompt, generated) in await Task.WhenAll(runs))
        {
            Assert.Equal(HashingBackend.Alone(prompt, 250), generated);
        }

        await AssertIdleAsync(engine);
    }

    [Fact]
    public async Task AResidentState_IsGoneOnFrom_WithoutComputingItAgain()
    {
        await using var engine = Engine(slots: 2, pages: 16);
        var first = engine.Start(Request(Prompt(1, 90), 20));
        var generated = await ReadAsync(first);
        await first.ReleaseAsync("turn-1");
        Assert.True(engine.IsResident("turn-1"));

        int[] next = [.. Prompt(1, 90), .. generated, 7, 8, 9];
        var second = engine.Start(Request(next, 5) with { ResidentKey = "turn-1" });
        var start = await second.Started;

        Assert.Equal(new SequenceStart(90 + 19, FromDevice: true, Warning: null), start);
        Assert.Equal(HashingBackend.Alone(next, 5), await ReadAsync(second));
        Assert.False(engine.IsResident("turn-1"));
        await second.ReleaseAsync(null);
        await AssertIdleAsync(engine);
    }

    [Fact]
    public async Task ASnapshot_RestoredIntoAnotherReplica_GoesOnAlike()
    {
        await using var source = Engine(slots: 2, pages: 16);
        await using var target = Engine(slots: 5, pages: 40);
        var first = source.Start(Request(Prompt(2, 150), 10));
        var generated = await ReadAsync(first);
        using var snapshot = await first.SnapshotAsync(fromPage: 0, CancellationToken.None);
        await first.ReleaseAsync(null);

        int[] next = [.. Prompt(2, 150), .. generated, 3];
        var second = target.Start(Request(next, 40) with { Restore = new StoredState(snapshot).Restore });

        Assert.Equal(snapshot.TokenCount, (await second.Started).CachedTokens);
        Assert.Equal(HashingBackend.Alone(next, 40), await ReadAsync(second));
        await second.ReleaseAsync(null);
        await AssertIdleAsync(target);
    }

    [Fact]
    public async Task ASnapshotOfARunningSequence_StaysAsItWas()
    {
        await using var engine = Engine(slots: 2, pages: 16);
        var sequence = engine.Start(Request(Prompt(3, 70), 200));
        var buffer = new GeneratedToken[1];
        await sequence.ReadAsync(buffer, CancellationToken.None);
        using var snapshot = await sequence.SnapshotAsync(0, CancellationToken.None);
        int[] all = [.. Prompt(3, 70), buffer[0].Id, .. await ReadAsync(sequence)];
        await sequence.ReleaseAsync(null);

        var resumed = engine.Start(Request(all[..(snapshot.TokenCount + 1)], 9) with { Restore = new StoredState(snapshot).Restore });

        Assert.Equal(HashingBackend.Alone(all.AsSpan(0, snapshot.TokenCount + 1), 9), await ReadAsync(resumed));
        await resumed.ReleaseAsync(null);
    }

    [Fact]
    public async Task ARefusedState_IsComputedAnew_AndSaysWhy()
    {
        await using var engine = Engine(slots: 2, pages: 16);
        var sequence = engine.Start(Request(Prompt(4, 80), 5) with
        {
            Restore = new StateRestore(70, (_, _) => throw new StateRefusedException("page 0 of layer 1 is damaged")),
        });

        Assert.Equal(new SequenceStart(0, FromDevice: false, "page 0 of layer 1 is damaged"), await sequence.Started);
        Assert.Equal(HashingBackend.Alone(Prompt(4, 80), 5), await ReadAsync(sequence));
        await sequence.ReleaseAsync(null);
        await AssertIdleAsync(engine);
    }

    [Fact]
    public async Task AFailedRestore_FailsItsSequenceOnly()
    {
        await using var engine = Engine(slots: 2, pages: 16);
        var failing = engine.Start(Request(Prompt(5, 80), 5) with { Restore = new StateRestore(70, (_, _) => throw new IOException("the disk is gone")) });
        var other = RunAsync(engine, Prompt(6, 10), 50);

        Assert.Equal("the disk is gone", (await Assert.ThrowsAsync<IOException>(() => failing.Started)).Message);
        await failing.ReleaseAsync(null);
        Assert.Equal(HashingBackend.Alone(Prompt(6, 10), 50), (await other).Generated);
        await AssertIdleAsync(engine);
    }

    [Fact]
    public async Task ACancelledSequence_LeavesWithinOneStep()
    {
        using var atStep = new SemaphoreSlim(0);
        using var go = new SemaphoreSlim(0);
        var steps = 0;
        var backend = NewBackend(2, 16);
        backend.OnRun = _ => { Interlocked.Increment(ref steps); atStep.Release(); go.Wait(); };
        await using var engine = new ReplicaEngine(backend, 4096, Options, null);
        var sequence = engine.Start(Request(Prompt(7, 5), 1_000));
        await atStep.WaitAsync();

        sequence.Cancel();
        go.Release(100);
        var finish = await sequence.Finished;

        Assert.Equal(SequenceEnd.Cancelled, finish.End);
        Assert.Equal(1, steps);
        await sequence.ReleaseAsync(null);
        await AssertIdleAsync(engine);
    }

    [Fact]
    public async Task ASlowReader_PausesItsOwnSequenceOnly()
    {
        await using var engine = Engine(slots: 2, pages: 64);
        var slow = engine.Start(Request(Prompt(8, 5), 100));
        var fast = await RunAsync(engine, Prompt(9, 5), 300);

        Assert.Equal(300, fast.Generated.Length);
        Assert.False(slow.Finished.IsCompleted);
        Assert.Equal(HashingBackend.Alone(Prompt(8, 5), 100), await ReadAsync(slow));
        await slow.ReleaseAsync(null);
        await AssertIdleAsync(engine);
    }

    [Fact]
    public async Task EndTokensAndTheContext_EndASequence()
    {
        await using var engine = Engine(slots: 1, pages: 2);
        var expected = HashingBackend.Alone(Prompt(10, 20), 108);
        var (_, whole) = await RunAsync(engine, Prompt(10, 20), generate: 1_000);
        Assert.Equal(expected, whole);

        var ended = engine.Start(Request(Prompt(10, 20), 1_000) with { EndTokens = [expected[7]] });
        var until = Array.IndexOf(expected, expected[7]);
        Assert.Equal(expected[..(until + 1)], await ReadAsync(ended));
        Assert.Equal(new SequenceFinish(SequenceEnd.EndToken, 20 + until + 1, 20 + until), await ended.Finished with { DecodeTime = default });
        await ended.ReleaseAsync(null);
        await AssertIdleAsync(engine);
    }

    [Theory]
    [InlineData(new int[0], "empty")]
    [InlineData(new[] { 1, 50 }, "Token 50 at position 1")]
    [InlineData(new[] { -1 }, "Token -1 at position 0")]
    public async Task BadPrompts_NeverReachAStep(int[] tokens, string says)
    {
        await using var engine = Engine(slots: 1, pages: 2);

        var refusal = Assert.Throws<ArgumentException>(() => engine.Start(Request(tokens, 5)));

        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TooManyWaitingSequences_AreRefused()
    {
        using var atStep = new SemaphoreSlim(0);
        using var go = new SemaphoreSlim(0);
        var backend = NewBackend(1, 16);
        backend.OnRun = _ => { atStep.Release(); go.Wait(); };
        await using var engine = new ReplicaEngine(backend, 4096, Options with { MaxWaiting = 3 }, null);
        var running = engine.Start(Request(Prompt(1, 5), 2));
        await atStep.WaitAsync();
        await running.Started;
        var waiting = Enumerable.Range(0, 3).Select(i => engine.Start(Request(Prompt(i, 5), 2))).ToArray();

        Assert.Throws<EngineBusyException>(() => engine.Start(Request(Prompt(9, 5), 2)));

        go.Release(1_000);
        foreach (var sequence in waiting.Prepend(running))
        {
            await sequence.Finished;
            await sequence.ReleaseAsync(null);
        }

        await AssertIdleAsync(engine);
    }

    [Fact]
    public async Task SequencesThatAreRefusedForTheirSettings_TakeNoPlaceInTheQueue()
    {
        await using var engine = new ReplicaEngine(NewBackend(1, 16), 4096, Options with { MaxWaiting = 1 }, null);
        var wrong = Request(Prompt(1, 5), 2) with { Sampling = new SamplingSettings { RepetitionPenalty = 0.001f } };

        Assert.Throws<ArgumentException>(() => engine.Start(wrong));
        Assert.Throws<ArgumentException>(() => engine.Start(wrong));

        var sequence = engine.Start(Request(Prompt(1, 5), 2));
        await sequence.Finished;
        await sequence.ReleaseAsync(null);
        await AssertIdleAsync(engine);
    }

    [Fact]
    public async Task ACancelledSequence_DoesNotWaitForItsState()
    {
        await using var engine = Engine(slots: 1, pages: 16);
        var reading = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var restored = engine.Start(Request(Prompt(5, 80), 5) with
        {
            Restore = new StateRestore(70, async (_, cancellationToken) =>
            {
                reading.SetResult();
                await Task.Delay(Timeout.Infinite, cancellationToken);
            }),
        });
        await reading.Task;

        restored.Cancel();

        Assert.Equal(SequenceEnd.Cancelled, (await restored.Finished).End);
        await restored.ReleaseAsync(null);
        await AssertIdleAsync(engine);
    }

    [Fact]
    public async Task Disposal_WaitsForOpenSnapshotsAndRestores_AndFreesTheBackendAfterThem()
    {
        var backend = NewBackend(2, 16);
        var engine = new ReplicaEngine(backend, 4096, Options, null);
        var first = engine.Start(Request(Prompt(1, 70), 5));
        await ReadAsync(first);
        var snapshot = await first.SnapshotAsync(0, CancellationToken.None);
        var reading = new TaskCompletionSource<StateTarget>(TaskCreationOptions.RunContinuationsAsynchronously);
        var read = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _ = engine.Start(Request(Prompt(5, 80), 5) with
        {
            Restore = new StateRestore(70, async (target, _) =>
            {
                reading.SetResult(target);
                await read.Task;
            }),
        });
        var target = await reading.Task;

        var disposal = engine.DisposeAsync().AsTask();
        target.WriteRecurrent(0, new byte[sizeof(ulong)]);
        read.SetResult();
        Assert.False(backend.IsDisposed);
        snapshot.ReadRecurrent(0, new byte[sizeof(ulong)]);
        snapshot.Dispose();

        await disposal;
        Assert.True(backend.IsDisposed);
    }

    [Fact]
    public async Task Disposal_FailsWhatRuns_AndFreesTheBackend()
    {
        var backend = NewBackend(2, 16);
        var engine = new ReplicaEngine(backend, 4096, Options, null);
        var sequence = engine.Start(Request(Prompt(1, 5), 500));
        await sequence.Started;

        await engine.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => sequence.Finished);
        await sequence.ReleaseAsync(null);
        Assert.True(backend.IsDisposed);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task AnyOrderOfTurnsForksCancelsAndReleases_KeepsEveryStateApart(int seed)
    {
        var random = new Random(seed);
        await using var engine = Engine(slots: 4, pages: 20);
        var conversations = Enumerable.Range(0, 6).Select(i => new Conversation(i, Prompt(seed + (100 * i), 1 + random.Next(60)))).ToArray();
        for (var round = 0; round < 25; round++)
        {
            var chosen = conversations.Where(_ => random.Next(2) == 0).ToArray();
            await Task.WhenAll(chosen.Select(conversation => conversation.TurnAsync(engine, new Random(random.Next()))));
            await engine.AuditAsync();
        }

        foreach (var conversation in conversations)
        {
            await engine.ReleaseAsync(conversation.Key);
        }

        await AssertIdleAsync(engine);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(39)]
    public async Task ASequenceThatGoesOnAfterItsOwnTokens_SamplesWhatItWouldHaveSampled(int cut)
    {
        await using var engine = Engine(slots: 2, pages: 16);
        var whole = Request(Prompt(3, 70), 40) with
        {
            Sampling = new SamplingSettings { Temperature = 0.9f, PresencePenalty = 0.7f, FrequencyPenalty = 0.3f, RepetitionPenalty = 1.2f, Seed = 99 },
        };
        var expected = await EndAsync(engine, whole);

        var rest = await EndAsync(engine, whole with { Tokens = [.. whole.Tokens, .. expected[..cut]], Generated = cut, MaxNewTokens = 40 - cut });

        Assert.Equal(expected[cut..], rest);
        await AssertIdleAsync(engine);
    }

    [Theory]
    [InlineData(50)] // all
    [InlineData(2)] // equals at the border: never certain
    public async Task ASampledSequence_GeneratesTheSameFromCandidatesAsFromWholeRows(int candidateCount)
    {
        var whole = NewBackend(2, 16);
        var some = NewBackend(2, 16, candidateCount);
        var sampled = Request(Prompt(8, 30), 40) with { Sampling = new SamplingSettings { Temperature = 1, TopK = 5, Seed = 3 } };
        var generated = new List<int[]>();
        foreach (var backend in new[] { whole, some })
        {
            await using var engine = new ReplicaEngine(backend, contextLength: 4096, Options, tokenizer: null);
            var greedy = EndAsync(engine, Request(Prompt(9, 20), 60));
            generated.Add(await EndAsync(engine, sampled));
            Assert.Equal(HashingBackend.Alone(Prompt(9, 20), 60), await greedy);
        }

        Assert.Equal(generated[0], generated[1]);
        if (mostUnderWay > 1)
        {
            Assert.InRange(whole.RowsAsked.Whole, 40, 60); // greedy ones only where the backend itself was not certain
            return;
        }

        Assert.Equal((100, 0), whole.RowsAsked);
        Assert.Equal((candidateCount == 50 ? 60 : 100, 40), some.RowsAsked); // greedy ones are no matter of candidates
    }

    private static async Task<int[]> EndAsync(ReplicaEngine engine, SequenceRequest request)
    {
        var sequence = engine.Start(request);
        var generated = await ReadAsync(sequence);
        await sequence.ReleaseAsync(null);
        return generated;
    }

    private protected HashingBackend NewBackend(int slots, int pages, int candidateCount = 0, bool canDraw = true) =>
        new(slots, pages) { MostUnderWay = mostUnderWay, Turns = turns, CandidateCount = candidateCount, UncertainOf = 11, CanDraw = canDraw };

    private ReplicaEngine Engine(int slots, int pages) => new(NewBackend(slots, pages), contextLength: 4096, Options, tokenizer: null);

    private static int[] Prompt(int seed, int length)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(50))];
    }

    private static SequenceRequest Request(int[] tokens, int generate) => new() { Tokens = tokens, Sampling = SamplingSettings.Greedy, MaxNewTokens = generate };

    private static async Task<(int[] Prompt, int[] Generated)> RunAsync(ReplicaEngine engine, int[] prompt, int generate)
    {
        var sequence = engine.Start(Request(prompt, generate));
        var generated = await ReadAsync(sequence);
        await sequence.ReleaseAsync(null);
        return (prompt, generated);
    }

    private static async Task<int[]> ReadAsync(ISequence sequence)
    {
        var buffer = new GeneratedToken[7];
        var tokens = new List<int>();
        for (int count; (count = await sequence.ReadAsync(buffer, CancellationToken.None)) > 0;)
        {
            tokens.AddRange(buffer.Take(count).Select(token => token.Id));
        }

        return [.. tokens];
    }

    private static async Task AssertIdleAsync(ReplicaEngine engine)
    {
        await engine.AuditAsync();
        await engine.AuditAsync(); // the load is published after the turn of the loop that audits
        Assert.Equal((0, 0, 0, 0, 0), (engine.Load.SlotsInUse, engine.Load.PagesInUse, engine.Load.Running, engine.Load.Waiting, engine.Load.Resident));
    }

    /// <summary>Random turns of one conversation: resumed from the device, from a snapshot or from nothing, sometimes cancelled.</summary>
    private sealed class Conversation(int number, int[] prompt)
    {
        private int[] _tokens = prompt;
        private StoredState? _stored;

        public string Key => $"conversation-{number}";

        public async Task TurnAsync(ReplicaEngine engine, Random random)
        {
            var request = Request([.. _tokens, .. Prompt(random.Next(), 1 + random.Next(40))], 1 + random.Next(40));
            if (request.Tokens.Length > 500)
            {
                request = request with { Tokens = Prompt(random.Next(), 20) };
                _stored = null;
                await engine.ReleaseAsync(Key);
            }
            else if (_stored is { TokenCount: > 0 } stored)
            {
                request = request with { ResidentKey = Key, Restore = stored.Restore };
            }

            var sequence = engine.Start(request);
            var cancelled = random.Next(5) == 0;
            if (cancelled)
            {
                sequence.Cancel();
            }

            var generated = await ReadAsync(sequence);
            Assert.Equal(HashingBackend.Alone(request.Tokens, request.MaxNewTokens).Take(generated.Length), generated);
            Assert.True(cancelled || generated.Length == request.MaxNewTokens);
            await sequence.Finished;
            _stored = generated.Length > 0 ? await StoreAsync(sequence) : null;
            _tokens = [.. request.Tokens, .. generated];
            await sequence.ReleaseAsync(_stored is null ? null : Key);
            if (random.Next(3) == 0)
            {
                _stored = null;
                await engine.ReleaseAsync(Key);
            }
        }

        private static async Task<StoredState> StoreAsync(ISequence sequence)
        {
            using var snapshot = await sequence.SnapshotAsync(0, CancellationToken.None);
            return new StoredState(snapshot);
        }
    }
}
