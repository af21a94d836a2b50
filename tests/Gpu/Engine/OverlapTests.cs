using Loire.Engine.Backends;
using Loire.Engine.Backends.Cuda;
using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Engine.Sampling;
using Loire.Engine.Tests.Weights;
using Loire.Kernels;

namespace Loire.Gpu.Tests.Engine;

/// <summary>Steps that are enqueued before their tokens are known compute what steps compute that are waited for.</summary>
public sealed class OverlapTests
{
    private const int Prompt = 40;
    private const int Sequences = 3; // padded to 4

    public static TheoryData<string> Cuts => ["0", "0,1", "0+1", "0+1,2+3"];

    [GpuTheory]
    [MemberData(nameof(Cuts))]
    public void Tokens_and_states_are_the_same_ahead_of_the_tokens_as_behind_them(string cut)
    {
        const int Steps = 20;
        using var ahead = Load(cut);
        using var waiting = Load(cut);
        var ids = Numbers.Integers(seed: 8, Sequences * Prompt, ahead.VocabularySize);

        Assert.Equal(GenerateWaiting(waiting, ids, Steps, []), GenerateAhead(ahead, ids, Steps, []));
        AssertSameStates(waiting, ahead);
    }

    [GpuTheory]
    [MemberData(nameof(Cuts))]
    public void A_row_behind_the_last_token_leaves_no_trace(string cut)
    {
        const int Steps = 12;
        using var ahead = Load(cut);
        using var waiting = Load(cut);
        var ids = Numbers.Integers(seed: 9, Sequences * Prompt, ahead.VocabularySize);
        var expected = GenerateWaiting(waiting, ids, Steps, []);
        Reset(waiting);
        var ends = expected[..2]; // the first tokens of two sequences: they end where a step behind them is under way

        Assert.Equal(GenerateWaiting(waiting, ids, Steps, ends), GenerateAhead(ahead, ids, Steps, ends));
        AssertSameStates(waiting, ahead, sequences: 2); // the third has been in steps of other sizes
    }

    [GpuTheory]
    [MemberData(nameof(Cuts))]
    public void A_copy_of_a_state_that_is_taken_while_steps_run_is_what_they_leave(string cut)
    {
        using var backend = Load(cut);
        using var settled = Load(cut);
        var ids = Numbers.Integers(seed: 10, Sequences * Prompt, backend.VocabularySize);
        GenerateWaiting(backend, ids, steps: 3, []);
        GenerateWaiting(settled, ids, steps: 3, []);
        var batch = new StepBatch(Sequences, Sequences, Sequences);

        Fill(batch, Prompt + 3, [5, 6, 7]);
        backend.Enqueue(batch);
        using var copy = backend.CopyRecurrent(1);
        backend.Land();
        settled.Run(batch);

        foreach (var (layer, bytes) in settled.State.Recurrent)
        {
            var (expected, found) = (new byte[bytes], new byte[bytes]);
            settled.ReadRecurrent(layer, 1, expected);
            copy.Read(layer, found);
            Assert.Equal(expected, found);
        }
    }

    [GpuTheory]
    [MemberData(nameof(Cuts))]
    public async Task Many_conversations_at_once_are_the_same_overlapped_as_one_by_one(string cut)
    {
        await using var overlapped = Start(cut, overlapSteps: true);
        await using var plain = Start(cut, overlapSteps: false);
        SamplingSettings[] settings =
        [
            SamplingSettings.Greedy,
            new() { Temperature = 0.7f, TopP = 0.95f, Seed = 1 },
            new() { Temperature = 1, TopK = 40, Seed = 2 },
            new() { Temperature = 1, Seed = 3 },
            new() { Temperature = 0.8f, MinP = 0.05f, Seed = 4 },
            new() { Temperature = 0.9f, FrequencyPenalty = 0.5f, Seed = 5 },
        ];

        var expected = new List<int[]>();
        foreach (var (i, sampling) in settings.Index())
        {
            expected.Add(await AnswerAsync(plain, i, sampling));
        }

        var alone = new List<int[]>();
        foreach (var (i, sampling) in settings.Index())
        {
            alone.Add(await AnswerAsync(overlapped, i, sampling));
        }

        Assert.Equal(expected, alone);
        Assert.Equal(expected, await Task.WhenAll(settings.Select((sampling, i) => AnswerAsync(overlapped, i, sampling))));
        await ((ReplicaEngine)overlapped).AuditAsync();
    }

    private static ModelFolder Model() => ModelFolder.Open(RepositoryPaths.DemoModel);

    /// <summary>In fp32, where a row's bits hardly depend on the step that it is in.</summary>
    private static CudaOptions OptionsOf(string cut) => new() { Plan = CutTests.PlanOf(Model(), cut), Type = ElementType.Float32 };

    private static CudaBackend Load(string cut)
    {
        var backend = CudaBackend.Load(Model(), new BackendSizes(Slots: 4, Pages: 8, MaxRows: Sequences * Prompt, MaxLogitsRows: 4, Threads: 0), OptionsOf(cut));
        Reset(backend);
        return backend;
    }

    private static void Reset(CudaBackend backend)
    {
        for (var slot = 0; slot < backend.Slots; slot++)
        {
            backend.ClearState(slot);
        }
    }

    private static IReplicaEngine Start(string cut, bool overlapSteps) =>
        CudaReplica.Load(Model(), new EngineOptions { Slots = 8, KeyValueTokens = 4096 }, OptionsOf(cut) with { OverlapSteps = overlapSteps });

    private static async Task<int[]> AnswerAsync(IReplicaEngine engine, int number, SamplingSettings sampling)
    {
        var ids = Numbers.Integers(seed: 20 + number, Prompt + number, Model().Graph.VocabularySize);
        var sequence = engine.Start(new SequenceRequest { Tokens = ids, Sampling = sampling, MaxNewTokens = 60 + (7 * number) });
        var buffer = new GeneratedToken[16];
        var tokens = new List<int>();
        for (int count; (count = await sequence.ReadAsync(buffer, CancellationToken.None)) > 0;)
        {
            tokens.AddRange(buffer.Take(count).Select(token => token.Id));
        }

        await sequence.ReleaseAsync(null);
        return [.. tokens];
    }

    /// <summary>Tokens step by step, each sequence's until one that ends it; −1 afterwards.</summary>
    private static int[] GenerateWaiting(CudaBackend backend, int[] ids, int steps, int[] ends)
    {
        var batch = PromptsOf(ids, ends);
        backend.Run(batch);
        var generated = new List<int>();
        var tokens = Enumerable.Range(0, Sequences).Select(backend.Chosen).ToArray();
        generated.AddRange(tokens);
        for (var step = 0; step < steps; step++)
        {
            var running = Enumerable.Range(0, Sequences).Where(i => tokens[i] >= 0 && !ends.Contains(tokens[i])).ToArray();
            batch.Clear();
            Array.ForEach(running, i => batch.Add(i, PagesOf(i), Prompt + step, [tokens[i]], LogitsWanted.Last, RowChoice.Best(ends)));
            Array.Fill(tokens, -1);
            if (running.Length > 0)
            {
                backend.Run(batch);
                Array.ForEach(running, i => tokens[i] = backend.Chosen(Array.IndexOf(running, i)));
            }

            generated.AddRange(tokens);
        }

        return [.. generated];
    }

    /// <summary>The same with one step more under way than has landed. All rows stay: those behind an end are of no meaning.</summary>
    private static int[] GenerateAhead(CudaBackend backend, int[] ids, int steps, int[] ends)
    {
        var batch = PromptsOf(ids, ends);
        backend.Enqueue(batch);
        var results = Enumerable.Range(0, Sequences).Select(backend.ResultOf).ToArray();
        var generated = new List<int>();
        var hasEnded = new bool[Sequences];
        for (var step = 0; step <= steps; step++)
        {
            if (step < steps)
            {
                batch.Clear();
                for (var i = 0; i < Sequences; i++)
                {
                    batch.AddNext(i, PagesOf(i), Prompt + step, results[i], RowChoice.Best(ends));
                }

                backend.Enqueue(batch);
                results = [.. Enumerable.Range(0, Sequences).Select(backend.ResultOf)];
            }

            backend.Land();
            for (var i = 0; i < Sequences; i++)
            {
                var token = hasEnded[i] ? -1 : backend.Chosen(i);
                generated.Add(token);
                hasEnded[i] |= ends.Contains(token);
            }

            if (hasEnded.Contains(true))
            {
                AssertStaysEnded(backend, batch, results, ends, hasEnded, step, steps, generated);
                return [.. generated];
            }
        }

        return [.. generated];
    }

    /// <summary>From the first end on: as the step loop does, those that have ended are left out once that is seen.</summary>
    private static void AssertStaysEnded(CudaBackend backend, StepBatch batch, int[] results, int[] ends, bool[] hasEnded, int step, int steps, List<int> generated)
    {
        var inStep = Enumerable.Range(0, Sequences).ToArray();
        for (step++; step <= steps; step++)
        {
            backend.Land();
            var tokens = new int[Sequences];
            Array.Fill(tokens, -1);
            foreach (var i in inStep.Where(i => !hasEnded[i]))
            {
                tokens[i] = backend.Chosen(Array.IndexOf(inStep, i));
                hasEnded[i] |= ends.Contains(tokens[i]);
            }

            generated.AddRange(tokens);
            inStep = [.. Enumerable.Range(0, Sequences).Where(i => !hasEnded[i])];
            if (step == steps || inStep.Length == 0)
            {
                generated.AddRange(Enumerable.Repeat(-1, (steps - step) * Sequences));
                return;
            }

            batch.Clear();
            Array.ForEach(inStep, i => batch.Add(i, PagesOf(i), Prompt + step, [tokens[i]], LogitsWanted.Last, RowChoice.Best(ends)));
            backend.Enqueue(batch);
        }
    }

    private static StepBatch PromptsOf(int[] ids, int[] ends)
    {
        var batch = new StepBatch(Sequences * Prompt, Sequences, Sequences);
        for (var i = 0; i < Sequences; i++)
        {
            batch.Add(i, PagesOf(i), start: 0, ids.AsSpan(i * Prompt, Prompt), LogitsWanted.Last, RowChoice.Best(ends));
        }

        return batch;
    }

    private static void Fill(StepBatch batch, int position, int[] tokens)
    {
        batch.Clear();
        for (var i = 0; i < tokens.Length; i++)
        {
            batch.Add(i, PagesOf(i), position, [tokens[i]], LogitsWanted.Last);
        }
    }

    private static List<int> PagesOf(int sequence) => [2 * sequence, (2 * sequence) + 1];

    private static void AssertSameStates(CudaBackend expected, CudaBackend found, int sequences = Sequences)
    {
        for (var slot = 0; slot < sequences; slot++)
        {
            foreach (var (layer, bytes) in expected.State.Recurrent)
            {
                var (one, other) = (new byte[bytes], new byte[bytes]);
                expected.ReadRecurrent(layer, slot, one);
                found.ReadRecurrent(layer, slot, other);
                Assert.Equal(one, other);
            }

            foreach (var (layer, bytes) in expected.State.KeyValue)
            {
                var (one, other) = (new byte[bytes * 40], new byte[bytes * 40]);
                expected.ReadKeyValues(layer, PagesOf(slot)[0], 40, one);
                found.ReadKeyValues(layer, PagesOf(slot)[0], 40, other);
                Assert.Equal(one, other);
            }
        }
    }
}
