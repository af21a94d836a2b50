using Loire.Engine.Backends;
using Loire.Engine.Backends.Cuda;
using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Engine.Sampling;
using Loire.Engine.Tests.Weights;
using Loire.Kernels;

namespace Loire.Gpu.Tests.Engine;

/// <summary>The best tokens of rows that stay on the device are those of the rows, and what is sampled from them is what the rows give.</summary>
public sealed class CandidateTests
{
    private const int Prompt = 40;

    public static TheoryData<string> Cuts => ["0", "0,1", "0+1", "0+1,2+3"];

    [GpuTheory]
    [MemberData(nameof(Cuts))]
    public void Candidates_of_a_step_are_those_of_its_rows_captured_or_not(string cut)
    {
        const int Sequences = 3; // padded to 4
        const int Steps = 5; // kernel by kernel, captured, launched
        using var backend = Load(cut);
        var batch = new StepBatch(Sequences * Prompt, Sequences, Sequences);
        var ids = Numbers.Integers(seed: 8, Sequences * (Prompt + Steps), backend.VocabularySize);
        for (var step = 0; step <= Steps; step++)
        {
            FillStep(batch, ids, Sequences, step);
            batch.NeedsCandidates = true;
            backend.Run(batch);

            Assert.True(backend.HasCandidates);
            for (var row = 0; row < Sequences; row++)
            {
                AssertAreOfRow(backend, row);
            }
        }
    }

    [GpuTheory]
    [MemberData(nameof(Cuts))]
    public void Steps_with_candidates_and_without_them_take_turns(string cut)
    {
        const int Steps = 12;
        using var backend = Load(cut);
        var batch = new StepBatch(Prompt, 1, 1);
        var ids = Numbers.Integers(seed: 9, Prompt + Steps, backend.VocabularySize);
        for (var step = 0; step <= Steps; step++)
        {
            FillStep(batch, ids, sequences: 1, step);
            batch.NeedsCandidates = step % 3 == 1;
            backend.Run(batch);

            Assert.Equal(step % 3 == 1, backend.HasCandidates);
            if (backend.HasCandidates)
            {
                AssertAreOfRow(backend, row: 0);
            }

            Assert.Equal(GreedySamplingReference.Choose(backend.Logits(0)).Token, backend.Greedy(0).Token);
        }
    }

    [GpuTheory]
    [MemberData(nameof(Cuts))]
    public async Task A_seeded_conversation_is_the_same_by_candidates_as_by_whole_rows(string cut)
    {
        SamplingSettings[] settings =
        [
            new() { Temperature = 0.7f, TopP = 0.95f, Seed = 1 },
            new() { Temperature = 1, TopK = 40, TopP = 0.95f, Seed = 2, LogProbs = 5 },
            new() { Temperature = 1, Seed = 3 },
            new() { Temperature = 0.8f, MinP = 0.05f, RepetitionPenalty = 1.1f, Seed = 4 },
            new() { Temperature = 1.5f, FrequencyPenalty = 0.5f, LogitBias = new Dictionary<int, float> { [7] = 3 }, Seed = 5 },
            new() { RepetitionPenalty = 1.3f, LogProbs = 20 },
        ];
        await using var candidates = Start(cut, useCandidates: true);
        await using var rows = Start(cut, useCandidates: false);
        foreach (var sampling in settings)
        {
            AssertAlike(await AnswerAsync(rows, sampling), await AnswerAsync(candidates, sampling));
        }
    }

    private static ModelFolder Model() => ModelFolder.Open(RepositoryPaths.DemoModel);

    private static CudaBackend Load(string cut)
    {
        var sizes = new BackendSizes(Slots: 4, Pages: 8, MaxRows: 4 * Prompt, MaxLogitsRows: 4, Threads: 0);
        var backend = CudaBackend.Load(Model(), sizes, new CudaOptions { Plan = CutTests.PlanOf(Model(), cut) });
        for (var slot = 0; slot < sizes.Slots; slot++)
        {
            backend.ClearState(slot);
        }

        return backend;
    }

    /// <summary>Step 0 has the prompts, each other one a token of each sequence.</summary>
    private static void FillStep(StepBatch batch, int[] ids, int sequences, int step)
    {
        var length = ids.Length / sequences;
        batch.Clear();
        for (var slot = 0; slot < sequences; slot++)
        {
            var (start, count) = step == 0 ? (0, Prompt) : (Prompt + step - 1, 1);
            batch.Add(slot, [2 * slot, (2 * slot) + 1], start, ids.AsSpan((slot * length) + start, count), LogitsWanted.Last);
        }
    }

    private static void AssertAreOfRow(CudaBackend backend, int row)
    {
        var candidates = backend.Candidates(row);
        var (tokens, best, sum) = (candidates.Tokens.ToArray(), candidates.Logits.ToArray(), candidates.LogSumExp);
        var logits = backend.Logits(row).ToArray();

        var expected = TopCandidatesReference.Choose(logits, TopCandidates.MostCount).Where(candidate => candidate.Token >= 0).ToArray();
        Assert.Equal(expected.Select(candidate => candidate.Token), tokens);
        Assert.Equal(expected.Select(candidate => candidate.Logit), best);
        Assert.Equal(best[0] + Math.Log(logits.Sum(logit => Math.Exp((double)logit - best[0]))), sum, LogitCandidates.SumTolerance);
    }

    private static IReplicaEngine Start(string cut, bool useCandidates) => CudaReplica.Load(
        Model(), new EngineOptions { Slots = 4, KeyValueTokens = 2048 }, new CudaOptions { Plan = CutTests.PlanOf(Model(), cut), UseCandidates = useCandidates });

    private static async Task<List<(GeneratedToken Token, int[] Alternatives)>> AnswerAsync(IReplicaEngine engine, SamplingSettings sampling)
    {
        var ids = Numbers.Integers(seed: 10, Prompt, Model().Graph.VocabularySize);
        var sequence = engine.Start(new SequenceRequest { Tokens = ids, Sampling = sampling, MaxNewTokens = 100 });
        var buffer = new GeneratedToken[16];
        var tokens = new List<(GeneratedToken, int[])>();
        for (int count; (count = await sequence.ReadAsync(buffer, CancellationToken.None)) > 0;)
        {
            tokens.AddRange(Enumerable.Range(0, count).Select(i => (buffer[i], AlternativesOf(sequence, i))));
        }

        await sequence.ReleaseAsync(null);
        return tokens;
    }

    private static int[] AlternativesOf(ISequence sequence, int index)
    {
        var tokens = new List<int>();
        foreach (var (token, _) in sequence.AlternativesOf(index))
        {
            tokens.Add(token);
        }

        return [.. tokens];
    }

    private static void AssertAlike(List<(GeneratedToken Token, int[] Alternatives)> expected, List<(GeneratedToken Token, int[] Alternatives)> found)
    {
        Assert.Equal(expected.Select(answer => answer.Token.Id), found.Select(answer => answer.Token.Id));
        foreach (var (one, other) in expected.Zip(found))
        {
            Assert.Equal(one.Token.LogProb, other.Token.LogProb, tolerance: 1e-4f); // NaN where it was not asked for
            Assert.Equal(one.Alternatives, other.Alternatives);
        }
    }
}
