using System.Runtime.InteropServices;
using Loire.Engine.Backends;
using Loire.Engine.Sampling;
using Loire.Engine.State;
using Loire.Engine.Tests.Sampling;

namespace Loire.Engine.Tests.Replica;

/// <summary>A backend whose state is a hash of the tokens so far and whose keys and values are the tokens themselves.</summary>
/// <remarks>The next token is a function of the hash. A step finds out at once if a slot or page is not what its sequence left there.</remarks>
internal sealed class HashingBackend(int slots, int pages, int vocabularySize = 50) : IBackend
{
    private const int RecurrentLayer = 0;
    private const int KeyValueLayer = 1;
    private readonly ulong[] _states = new ulong[slots];
    private readonly int[,] _pages = new int[pages, StateShape.PageTokens];
    private readonly List<float[]> _logits = [];
    private bool _needsCandidates;

    public int VocabularySize => vocabularySize;

    public int Slots => slots;

    public int Pages => pages;

    public StateShape State { get; } = new() { Recurrent = [(RecurrentLayer, sizeof(ulong))], KeyValue = [(KeyValueLayer, sizeof(int))] };

    /// <summary>Called before each step, on the stepping thread.</summary>
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

    public void Run(StepBatch batch)
    {
        OnRun?.Invoke(batch);
        _logits.Clear();
        _needsCandidates = batch.NeedsCandidates;
        foreach (var sequence in batch.Sequences)
        {
            if (_states[sequence.Slot] != Fold(sequence.Pages, sequence.Start))
            {
                throw new InvalidOperationException($"Slot {sequence.Slot} does not hold the state of the {sequence.Start} tokens in pages {string.Join(", ", sequence.Pages)}.");
            }

            for (var i = 0; i < sequence.RowCount; i++)
            {
                var row = sequence.FirstRow + i;
                var position = sequence.Start + i;
                _pages[sequence.Pages[position / StateShape.PageTokens], position % StateShape.PageTokens] = batch.Tokens[row];
                _states[sequence.Slot] = Extend(_states[sequence.Slot], batch.Tokens[row]);
                if (batch.LogitsRows.Contains(row))
                {
                    var logits = new float[vocabularySize];
                    logits[TokenAfter(_states[sequence.Slot], vocabularySize)] = 1;
                    _logits.Add(logits);
                }
            }
        }
    }

    public ReadOnlySpan<float> Logits(int index)
    {
        RowsAsked = (RowsAsked.Whole + 1, RowsAsked.Candidates);
        return _logits[index];
    }

    public bool HasCandidates => _needsCandidates && CandidateCount > 0;

    public LogitCandidates Candidates(int index)
    {
        RowsAsked = (RowsAsked.Whole, RowsAsked.Candidates + 1);
        return new CandidatesOf(_logits[index], CandidateCount).Value;
    }

    public void ClearState(int slot) => _states[slot] = 0;

    public void ReadRecurrent(int layer, int slot, Span<byte> blob) => MemoryMarshal.Write(blob, _states[slot]);

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

    private static int TokenAfter(ulong hash, int vocabularySize) => (int)((hash >> 20) % (ulong)vocabularySize);
}
