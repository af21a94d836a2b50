using System.Runtime.InteropServices;
using Loire.Engine.Backends;
using Loire.Engine.Sampling;
using Loire.Engine.State;
using Loire.Engine.Tests.Sampling;
using Loire.Kernels;

namespace Loire.Engine.Tests.Replica;

/// <summary>A backend whose state is a hash of the tokens so far and whose keys and values are the tokens themselves.</summary>
/// <remarks>
/// The next token is a function of the hash. A step finds out at once if a slot or page is not what its sequence left there.
/// Steps run as late as they can: when they land, or when a state is asked for that they may have changed.
/// </remarks>
internal sealed class HashingBackend(int slots, int pages, int vocabularySize = 50) : IBackend
{
    private const int RecurrentLayer = 0;
    private const int KeyValueLayer = 1;
    private readonly ulong[] _states = new ulong[slots];
    private readonly int[,] _pages = new int[pages, StateShape.PageTokens];
    private readonly Queue<Step> _waiting = [];
    private readonly Queue<Step> _run = [];
    private readonly List<Step> _results = []; // of the last steps, by where their tokens are
    private Step? _landed;
    private Step? _newest;
    private int _resultCount;

    public int VocabularySize => vocabularySize;

    public int Slots => slots;

    public int Pages => pages;

    public StateShape State { get; } = new() { Recurrent = [(RecurrentLayer, sizeof(ulong))], KeyValue = [(KeyValueLayer, sizeof(int))] };

    public int MostUnderWay { get; init; } = 1;

    public int Turns { get; init; } = 1;

    /// <summary>Of how many greedy tokens the backend is not certain: one in so many. 0: none.</summary>
    public ulong UncertainOf { get; init; }

    /// <summary>Rows that followed tokens which nobody had seen, and those among them that led nowhere.</summary>
    public (int All, int Void) Followed { get; private set; }

    /// <summary>Called as each step is enqueued, on the stepping thread.</summary>
    public Action<StepBatch>? OnRun { get; set; }

    /// <summary>Best tokens of a row that are given where a step needs them; 0: none.</summary>
    public int CandidateCount { get; init; }

    /// <summary>Rows that were asked for as a whole, and for their candidates.</summary>
    public (int Whole, int Candidates) RowsAsked { get; private set; }

    public bool IsDisposed { get; private set; }

    /// <summary>What a sequence alone on the device generates.</summary>
    public static int[] Alone(ReadOnlySpan<int> prompt, int count, int vocabularySize = 50)
    {
        var hash = 0UL;
        foreach (var token in prompt)
        {
            hash = Extend(hash, token);
        }

        var generated = new int[count];
        for (var i = 0; i < count; i++)
        {
            generated[i] = TokenAfter(hash, vocabularySize);
            hash = Extend(hash, generated[i]);
        }

        return generated;
    }

    public void Enqueue(StepBatch batch)
    {
        OnRun?.Invoke(batch);
        _landed = null; // its results are gone
        Assert.True(_waiting.Count + _run.Count < MostUnderWay, "More steps are under way than may be.");
        _newest = Step.Of(batch, _resultCount);
        _resultCount += batch.LogitsCount;
        _waiting.Enqueue(_newest);
    }

    public int ResultOf(int index) => _newest!.FirstResult + index;

    public void Land()
    {
        if (_run.Count == 0)
        {
            RunNext();
        }

        _landed = _run.Dequeue();
    }

    public bool CanDraw { get; init; } = true;

    private Step Landed => _landed ?? throw new InvalidOperationException("No step has landed since the last one was enqueued.");

    public int Chosen(int index) => Landed.Chosen[index];

    public ReadOnlySpan<float> Logits(int index)
    {
        RowsAsked = (RowsAsked.Whole + 1, RowsAsked.Candidates);
        return Landed.Logits[index];
    }

    public bool HasCandidates => Landed.NeedsCandidates && CandidateCount > 0;

    public LogitCandidates Candidates(int index)
    {
        RowsAsked = (RowsAsked.Whole, RowsAsked.Candidates + 1);
        return new CandidatesOf(Landed.Logits[index], CandidateCount).Value;
    }

    public void ClearState(int slot)
    {
        RunAll();
        _states[slot] = 0;
    }

    public void ReadRecurrent(int layer, int slot, Span<byte> blob)
    {
        RunAll();
        MemoryMarshal.Write(blob, _states[slot]);
    }
    public void WriteRecurrent(int layer, int slot, ReadOnlySpan<byte> blob) => _states[slot] = MemoryMarshal.Read<ulong>(blob);

    public void ReadKeyValues(int layer, int page, int tokens, Span<byte> blob)
    {
        for (var i = 0; i < tokens; i++)
        {
            MemoryMarshal.Cast<byte, int>(blob)[i] = _pages[page, i];
        }
    }

    public void WriteKeyValues(int layer, int page, int tokens, ReadOnlySpan<byte> blob)
    {
        for (var i = 0; i < tokens; i++)
        {
            _pages[page, i] = MemoryMarshal.Cast<byte, int>(blob)[i];
        }
    }

    public void Dispose() => IsDisposed = true;

    private void RunAll()
    {
        while (_waiting.Count > 0)
        {
            RunNext();
        }
    }

    private void RunNext()
    {
        var step = _waiting.Dequeue();
        foreach (var sequence in step.Sequences)
        {
            Run(step, sequence);
        }

        _results.Add(step);
        _run.Enqueue(step);
    }

    private void Run(Step step, StepSequence sequence)
    {
        var follows = step.Tokens[sequence.FirstRow] < 0;
        var first = follows ? CarriedFrom(-1 - step.Tokens[sequence.FirstRow]) : step.Tokens[sequence.FirstRow];
        Followed = (Followed.All + (follows ? 1 : 0), Followed.Void + (first < 0 ? 1 : 0));
        if (first < 0)
        {
            step.Add(new float[vocabularySize], chosen: vocabularySize - 1, carried: 0); // whatever it is, nobody may look at it
            return;
        }

        if (_states[sequence.Slot] != Fold(sequence.Pages, sequence.Start))
        {
            throw new InvalidOperationException($"Slot {sequence.Slot} does not hold the state of the {sequence.Start} tokens in pages {string.Join(", ", sequence.Pages)}.");
        }

        for (var i = 0; i < sequence.RowCount; i++)
        {
            var (row, position) = (sequence.FirstRow + i, sequence.Start + i);
            var token = i == 0 ? first : step.Tokens[row];
            _pages[sequence.Pages[position / StateShape.PageTokens], position % StateShape.PageTokens] = token;
            _states[sequence.Slot] = Extend(_states[sequence.Slot], token);
            if (step.LogitsRows.Contains(row))
            {
                Choose(step, _states[sequence.Slot]);
            }
        }
    }

    private void Choose(Step step, ulong state)
    {
        var logits = new float[vocabularySize];
        var token = TokenAfter(state, vocabularySize);
        logits[token] = 1;
        var choice = step.Choices[step.Logits.Count];
        var isCertain = MostUnderWay > 1 && choice.Kind is ChoiceKind.Best && (UncertainOf == 0 || (state >> 7) % UncertainOf != 0);
        step.Add(logits, isCertain ? token : -1, isCertain && !new[] { choice.End0, choice.End1, choice.End2, choice.End3, choice.End4 }.Contains(token) ? token : -1);
    }

    private int CarriedFrom(int result)
    {
        var step = _results.FindLast(step => step.FirstResult <= result)!; // whoever refers to it has enqueued it before
        return step.Carried[result - step.FirstResult];
    }

    private ulong Fold(List<int> pages, int tokens)
    {
        var hash = 0UL;
        for (var i = 0; i < tokens; i++)
        {
            hash = Extend(hash, _pages[pages[i / StateShape.PageTokens], i % StateShape.PageTokens]);
        }

        return hash;
    }

    private static ulong Extend(ulong hash, int token) => ((hash ^ (ulong)(token + 1)) * 0x9E3779B97F4A7C15) ^ (hash >> 29);

    /// <summary>A batch as it was when it was enqueued, and what came of it.</summary>
    private sealed record Step(StepSequence[] Sequences, int FirstResult)
    {
        public int[] Tokens { get; private init; } = [];

        public int[] LogitsRows { get; private init; } = [];

        public RowChoice[] Choices { get; private init; } = [];

        public bool NeedsCandidates { get; private init; }

        public List<float[]> Logits { get; } = [];

        public List<int> Chosen { get; } = [];

        public List<int> Carried { get; } = [];

        public static Step Of(StepBatch batch, int firstResult) => new([.. batch.Sequences.ToArray().Select(sequence => sequence with { Pages = [.. sequence.Pages] })], firstResult)
        {
            Tokens = batch.Tokens.ToArray(),
            LogitsRows = batch.LogitsRows.ToArray(),
            Choices = batch.Choices.ToArray(),
            NeedsCandidates = batch.NeedsCandidates,
        };

        public void Add(float[] logits, int chosen, int carried)
        {
            Logits.Add(logits);
            Chosen.Add(chosen);
            Carried.Add(carried);
        }
    }

    private static int TokenAfter(ulong hash, int vocabularySize) => (int)((hash >> 20) % (ulong)vocabularySize);
}
