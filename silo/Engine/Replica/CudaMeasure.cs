using System.Diagnostics;
using Loire.Engine.Backends;
using Loire.Engine.Backends.Cuda;
using Loire.Engine.Models;
using Loire.Engine.Placement;
using Loire.Engine.State;

namespace Loire.Engine.Replica;

/// <summary>Times steps of a model on a GPU without the loop around them: decode of a batch at a given context, and prompts.</summary>
/// <remarks>States and pages are random numbers, as if the context had been computed: only its size counts here, not its words.</remarks>
public sealed class CudaMeasure : IDisposable
{
    private const int WarmUp = 8;

    private readonly CudaBackend _backend;
    private readonly ModelGraph _graph;
    private readonly StepBatch _batch;
    private readonly int _mostRows;
    private readonly Random _random = new(1);

    private CudaMeasure(CudaBackend backend, ModelGraph graph, int mostRows)
    {
        _backend = backend;
        _graph = graph;
        _mostRows = mostRows;
        _batch = new StepBatch(mostRows, backend.Slots, backend.Slots);
        backend.Synthesize(seed: 2);
    }

    /// <param name="model">Weights of its files, or synthetic ones.</param>
    /// <param name="cuda">Which GPU, and how.</param>
    /// <param name="slots">Largest batch.</param>
    /// <param name="keyValueTokens">Of all sequences together.</param>
    /// <param name="mostRows">Of a step.</param>
    /// <param name="progress">0 to 1.</param>
    public static CudaMeasure Load(ModelFolder model, CudaOptions cuda, int slots, int keyValueTokens, int mostRows, IProgress<double>? progress = null) =>
        new(CudaBackend.Load(model, new BackendSizes(slots, PagePool.PagesFor(keyValueTokens), mostRows, slots, Threads: 0), cuda, progress), model.Graph, mostRows);

    public string DeviceName => _backend.Parts.First().Device.Name;

    /// <summary>What the weights, the states and the activations take on each GPU, in bytes.</summary>
    public IReadOnlyList<(int Gpu, long Weights, long States, long Activations)> Memory =>
        [.. _backend.Parts.Select(part => (part.Device.Ordinal, part.Memory.Weights, part.Memory.States, part.Memory.Activations))];

    /// <summary>What is where.</summary>
    public GpuPlan Plan => _backend.Plan;

    /// <summary>Tokens that the pages have room for.</summary>
    public int KeyValueTokens => _backend.Pages * StateShape.PageTokens;

    /// <summary>Graphs captured, and graphs that took new parameters.</summary>
    public (int Captures, int Updates) GraphCounts => _backend.GraphCounts;

    /// <summary>Whether steps are enqueued ahead of their tokens, and into how many batches the sequences are divided.</summary>
    public (bool IsAhead, int Turns) Overlap => (_backend.MostUnderWay > 1, _backend.Turns);

    /// <summary>Times of a token of each sequence, each with the token that the step before has chosen.</summary>
    /// <param name="batch">Sequences.</param>
    /// <param name="context">Tokens of each before the first step.</param>
    /// <param name="steps">Timed; a few go before them.</param>
    /// <param name="cancellationToken">Between two steps.</param>
    public TimeSpan[] Decode(int batch, int context, int steps, CancellationToken cancellationToken) =>
        Rounds(batch, context, steps + WarmUp).Run(steps, WarmUp, beforeRound: null, cancellationToken);

    /// <summary>The same while states of the batch are copied to the host, one each few steps.</summary>
    /// <param name="batch">Sequences.</param>
    /// <param name="context">Tokens of each before the first step.</param>
    /// <param name="steps">Timed.</param>
    /// <param name="every">A copy of each sequence's state is taken once in so many steps.</param>
    /// <param name="cancellationToken">Between two steps.</param>
    public TimeSpan[] DecodeWithCheckpoints(int batch, int context, int steps, int every, CancellationToken cancellationToken)
    {
        var (due, next) = (0.0, 0);
        using var reader = new CheckpointReader(_backend);
        return Rounds(batch, context, steps + WarmUp).Run(steps, WarmUp, TakeThoseDue, cancellationToken);

        void TakeThoseDue()
        {
            for (due += (double)batch / every; due >= 1; due--)
            {
                reader.Take(next++ % batch);
            }
        }
    }

    /// <summary>Time of a prompt, fed in steps of the most rows that a step has.</summary>
    public TimeSpan Prefill(int tokens, CancellationToken cancellationToken)
    {
        var ids = new int[tokens];
        Array.ForEach(Enumerable.Range(0, tokens).ToArray(), i => ids[i] = _random.Next(_graph.VocabularySize));
        var pages = PageTables(1, tokens)[0];
        _backend.ClearState(0);
        var start = Stopwatch.GetTimestamp();
        var underWay = 0;
        for (var first = 0; first < tokens; first += _mostRows)
        {
            cancellationToken.ThrowIfCancellationRequested();
            for (; underWay == _backend.MostUnderWay; underWay--)
            {
                _backend.Land();
            }

            var count = Math.Min(_mostRows, tokens - first);
            _batch.Clear();
            _batch.Add(slot: 0, pages, first, ids.AsSpan(first, count), first + count == tokens ? LogitsWanted.Last : LogitsWanted.None);
            _backend.Enqueue(_batch);
            underWay++;
        }

        for (; underWay > 0; underWay--)
        {
            _backend.Land();
        }

        return Stopwatch.GetElapsedTime(start);
    }

    /// <summary>Time until a sequence's state has been written from the host's memory: recurrent states, and the pages of its context.</summary>
    public TimeSpan Import(int context)
    {
        var pages = PageTables(1, context)[0];
        var recurrent = _backend.State.Recurrent.Select(layer => new byte[layer.Bytes]).ToArray();
        var page = _backend.State.KeyValue.Select(layer => new byte[layer.BytesPerToken * StateShape.PageTokens]).ToArray();
        foreach (var blob in recurrent.Concat(page))
        {
            _random.NextBytes(blob); // a state that has come from somewhere is in memory that has been touched
        }

        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < recurrent.Length; i++)
        {
            _backend.WriteRecurrent(_backend.State.Recurrent[i].Layer, 0, recurrent[i]);
        }

        for (var i = 0; i < page.Length; i++)
        {
            foreach (var number in pages.Take(context / StateShape.PageTokens))
            {
                _backend.WriteKeyValues(_backend.State.KeyValue[i].Layer, number, StateShape.PageTokens, page[i]);
            }
        }

        _backend.Settle();
        return Stopwatch.GetElapsedTime(start);
    }

    /// <summary>What it takes the GPUs of a group to add their sums, for steps of so many rows; none where no GPUs share layers.</summary>
    public IReadOnlyList<ExchangeTimes> Exchanges(IEnumerable<int> rows) =>
        _backend.Exchange(_graph.HiddenSize) is { } exchange ? [.. rows.Select(count => Math.Min(count, exchange.MostRows)).Distinct().Select(exchange.Of)] : [];

    public void Dispose() => _backend.Dispose();

    private DecodeRounds Rounds(int batch, int context, int rounds)
    {
        var tokens = new int[batch];
        foreach (ref var token in tokens.AsSpan())
        {
            token = _random.Next(_graph.VocabularySize);
        }

        return new DecodeRounds(_backend, PageTables(batch, context + rounds), context, tokens);
    }

    private List<int>[] PageTables(int sequences, int tokens)
    {
        var each = PagePool.PagesFor(tokens);
        if ((long)each * sequences > _backend.Pages)
        {
            throw new ArgumentException($"{sequences} sequences of {tokens} tokens need {(long)each * sequences} pages; there are {_backend.Pages}.", nameof(sequences));
        }

        return [.. Enumerable.Range(0, sequences).Select(i => Enumerable.Range(i * each, each).ToList())];
    }

    /// <summary>Stands for what writes checkpoints: reads each copy on another thread.</summary>
    private sealed class CheckpointReader : IDisposable
    {
        private readonly CudaBackend _backend;
        private readonly System.Collections.Concurrent.BlockingCollection<RecurrentCopy> _taken = new(boundedCapacity: 64);
        private readonly Thread _thread;

        public CheckpointReader(CudaBackend backend)
        {
            _backend = backend;
            _thread = new Thread(Read) { IsBackground = true, Name = "checkpoints" };
            _thread.Start();
        }

        public void Take(int slot) => _taken.Add(_backend.CopyRecurrent(slot));

        public void Dispose()
        {
            _taken.CompleteAdding();
            _thread.Join();
            _taken.Dispose();
        }

        private void Read()
        {
            var blobs = _backend.State.Recurrent.Select(layer => new byte[layer.Bytes]).ToArray();
            foreach (var copy in _taken.GetConsumingEnumerable())
            {
                using (copy)
                {
                    for (var i = 0; i < blobs.Length; i++)
                    {
                        copy.Read(_backend.State.Recurrent[i].Layer, blobs[i]);
                    }
                }
            }
        }
    }
}
