using System.Text.Json;
using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Engine.Sampling;
using Loire.Engine.Tests.Weights;
using Loire.Text;

namespace Loire.Engine.Tests.Replica;

/// <summary>The trained model through the step loop: the reference conversations, and what a steady step costs.</summary>
public sealed class DemoModelTests : IAsyncLifetime
{
    private readonly ModelFolder _model = ModelFolder.Open(RepositoryPaths.DemoModel);
    private readonly Tokenizer _tokenizer = Tokenizer.Load(Path.Combine(RepositoryPaths.DemoModel, "tokenizer.json"));
    private readonly List<IDisposable> _parts = [];
    private IReplicaEngine _engine = null!; // set up in InitializeAsync

    public Task InitializeAsync()
    {
        _engine = Join(stages: 2, shards: 4);
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await _engine.DisposeAsync();
        _parts.ForEach(part => part.Dispose());
    }

    [Fact]
    public async Task TheReferenceConversations_ComeOutTokenByToken_AllTogether()
    {
        await Task.WhenAll(Conversations().Select(ids => AssertAnswersAsync(ids, throughStore: false)));
    }

    [Fact]
    public async Task TheReferenceConversations_ComeOutAlike_WhenEveryTurnIsExportedAndImported()
    {
        await Task.WhenAll(Conversations().Select(ids => AssertAnswersAsync(ids, throughStore: true)));
    }

    [Fact]
    public async Task AStateFromOneReplica_GivesTheSameLogProbabilitiesInAnother()
    {
        await using var other = Join(stages: 1, shards: 1);
        var ids = Conversations()[0];
        var request = new SequenceRequest { Tokens = ids[..100], Sampling = SamplingSettings.Greedy with { LogProbs = 0 }, MaxNewTokens = 8 };
        var first = _engine.Start(request with { Tokens = ids[..90], MaxNewTokens = 1 });
        await ReadAsync(first);
        using var snapshot = await first.SnapshotAsync(0, CancellationToken.None);
        await first.ReleaseAsync(null);

        var moved = other.Start(request with { Restore = new StoredState(snapshot).Restore });
        var whole = other.Start(request);
        var (afterMove, atOnce) = (await ReadAsync(moved), await ReadAsync(whole));

        Assert.Equal(90, (await moved.Started).CachedTokens);
        Assert.Equal(atOnce.Select(token => token.Id), afterMove.Select(token => token.Id));
        Assert.All(atOnce.Zip(afterMove), pair => Assert.Equal(pair.First.LogProb, pair.Second.LogProb, 1e-4f));
        await moved.ReleaseAsync(null);
        await whole.ReleaseAsync(null);
    }

    [Fact]
    public void ASteadyDecodeStep_AllocatesNothing()
    {
        using var stage = CpuReplica.LoadStage(_model, 0, _model.Graph.Layers.Length);
        using var shard = CpuReplica.LoadShard(_model, 0, 8);
        using var loop = CpuReplica.JoinLoop(_model, [stage], [shard], new EngineOptions { Threads = 1, Slots = 4, KeyValueTokens = 4096 }, out var backend);
        using var owned = backend;
        var sequences = Enumerable.Range(0, 3).Select(i => new Sequence(
            loop, new SequenceRequest { Tokens = [i + 3, 40, 50], Sampling = SamplingSettings.Greedy, MaxNewTokens = 1_000 }, _model.Graph.VocabularySize, 4096, readAhead: 1_000, stops: null)).ToArray();
        Array.ForEach(sequences, loop.Enqueue);
        var buffer = new GeneratedToken[4];
        StepAndRead(loop, sequences, buffer, steps: 200);

        var before = GC.GetAllocatedBytesForCurrentThread();
        StepAndRead(loop, sequences, buffer, steps: 100);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.All(sequences, sequence => Assert.Equal(3 + 300, sequence.Count));
    }

    private static void StepAndRead(StepLoop loop, Sequence[] sequences, GeneratedToken[] buffer, int steps)
    {
        for (var step = 0; step < steps; step++)
        {
            loop.TurnOnce();
            foreach (var sequence in sequences)
            {
                var read = sequence.ReadAsync(buffer, CancellationToken.None);
                if (!read.IsCompletedSuccessfully || read.Result == 0)
                {
                    throw new InvalidOperationException("The step left no token to read.");
                }
            }
        }
    }

    private async Task AssertAnswersAsync(int[] ids, bool throughStore)
    {
        var assistant = _tokenizer.Encode("<|im_start|>assistant\n");
        var end = _tokenizer.IdOf("<|im_end|>")!.Value;
        StoredState? stored = null;
        string? resident = null;
        for (var at = 0; at + assistant.Length < ids.Length; at++)
        {
            if (!ids.AsSpan(at, assistant.Length).SequenceEqual(assistant))
            {
                continue;
            }

            var from = at + assistant.Length;
            var until = Array.IndexOf(ids, end, from);
            var sequence = _engine.Start(new SequenceRequest
            {
                Tokens = ids[..from],
                Sampling = SamplingSettings.Greedy,
                MaxNewTokens = 60,
                EndTokens = [.. _model.Graph.EndTokens],
                ResidentKey = resident,
                Restore = stored?.Restore,
            });

            Assert.Equal(ids[from..(until + 1)], (await ReadAsync(sequence)).Select(token => token.Id));
            if (throughStore)
            {
                using var snapshot = await sequence.SnapshotAsync(0, CancellationToken.None);
                stored = new StoredState(snapshot);
            }

            resident = throughStore ? null : $"conversation-{ids.Length}";
            await sequence.ReleaseAsync(resident);
        }

    }

    private IReplicaEngine Join(int stages, int shards)
    {
        var layers = _model.Graph.Layers.Length;
        var stageParts = Enumerable.Range(0, stages).Select(i => CpuReplica.LoadStage(_model, layers * i / stages, layers * (i + 1) / stages)).ToArray();
        var shardParts = Enumerable.Range(0, shards).Select(i => CpuReplica.LoadShard(_model, 8 * i / shards, 8 * (i + 1) / shards)).ToArray();
        _parts.AddRange(stageParts);
        _parts.AddRange(shardParts);
        return CpuReplica.Join(_model, stageParts, shardParts, new EngineOptions { Slots = 8, KeyValueTokens = 4096 });
    }

    private static List<int[]> Conversations()
    {
        using var reference = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(RepositoryPaths.DemoModel, "reference.json")));
        return [.. reference.RootElement.GetProperty("conversations").EnumerateArray()
            .Select(conversation => conversation.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()).ToArray())];
    }

    private static async Task<List<GeneratedToken>> ReadAsync(ISequence sequence)
    {
        var buffer = new GeneratedToken[16];
        var tokens = new List<GeneratedToken>();
        for (int count; (count = await sequence.ReadAsync(buffer, CancellationToken.None)) > 0;)
        {
            tokens.AddRange(buffer.AsSpan(0, count));
        }

        return tokens;
    }
}
