using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Loire.Engine.Sampling;
using Loire.Engine.State;
using Loire.Kernels;

namespace Loire.Engine.Replica;

internal enum SequencePhase
{
    Waiting,
    Restoring,
    Running,
    Ended,
    Released,
}

/// <summary>A sequence: what the stepping thread knows of it, and what its reader sees.</summary>
internal sealed class Sequence : ISequence
{
    private readonly Channel<Generated> _generated;
    private readonly StepLoop _loop;
    private readonly TaskCompletionSource<SequenceStart> _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<SequenceFinish> _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<(int Token, float LogProb)[]> _alternatives = [];
    private readonly int _readAhead;
    private readonly int[] _tokens;
    private readonly int[] _endTokens;
    private Action? _leaveQueue;
    private long _firstTokenAt;
    private long _lastTokenAt;
    private int _releasing;
    private int _pausedForReader;

    /// <param name="loop">Steps it.</param>
    /// <param name="request">What it computes.</param>
    /// <param name="vocabularySize">Of the model.</param>
    /// <param name="contextTokens">Most tokens, prompt and generated.</param>
    /// <param name="readAhead">Tokens that it may be ahead of its reader.</param>
    /// <param name="stops">Null: none.</param>
    /// <param name="leaveQueue">Called once, when it no longer waits for admission, before anybody is told.</param>
    public Sequence(
        StepLoop loop, SequenceRequest request, int vocabularySize, int contextTokens, int readAhead, StopTextDetector? stops, Action? leaveQueue = null)
    {
        _loop = loop;
        _leaveQueue = leaveQueue;
        Request = request;
        Stops = stops;
        Sampler = new Sampler(vocabularySize, request.Sampling);
        Sampler.ObservePrompt(request.Tokens.AsSpan(0, request.Tokens.Length - request.Generated));
        foreach (var token in request.Tokens.AsSpan(request.Tokens.Length - request.Generated))
        {
            Sampler.Observe(token);
        }

        MaxTokens = (int)Math.Min((long)request.Tokens.Length + request.MaxNewTokens, contextTokens);
        _tokens = new int[MaxTokens];
        request.Tokens.CopyTo(_tokens, 0);
        Count = request.Tokens.Length;
        _readAhead = readAhead;
        _endTokens = [.. request.EndTokens];
        CanGoOnUnseen = stops is null && _endTokens.Length <= RowChoice.MostEnds && Sampler.IsOfLogitsAlone;
        _generated = Channel.CreateBounded<Generated>(new BoundedChannelOptions(readAhead) { SingleReader = true, SingleWriter = true });
    }

    public SequenceRequest Request { get; }

    public Sampler Sampler { get; }

    public StopTextDetector? Stops { get; }

    /// <summary>Prompt and generated tokens at its end.</summary>
    public int MaxTokens { get; }

    /// <summary>Tokens so far, prompt and generated.</summary>
    public int Count { get; private set; }

    /// <summary>Tokens that the state covers when all steps that have it have landed.</summary>
    public int Computed { get; set; }

    /// <summary>Steps under way that have it.</summary>
    public int UnderWay { get; set; }

    /// <summary>Those of them that choose a token of it.</summary>
    public int Coming { get; set; }

    /// <summary>Where the newest of those will be.</summary>
    public int Result { get; set; }

    /// <summary>With which sequences it shares its steps.</summary>
    public int Turn { get; set; }

    /// <summary>Whether a step may take its next token before anybody here has seen it, if the backend can choose it: both know whether it ends the sequence.</summary>
    public bool CanGoOnUnseen { get; }

    public StatePlace? Place { get; set; }

    public SequencePhase Phase { get; set; }

    public bool IsCancelled { get; private set; }

    /// <summary>It was released while its state was being restored.</summary>
    public bool ReleaseWhenRestored { get; set; }

    /// <summary>While its state is being restored.</summary>
    public CancellationTokenSource? RestoreCancellation { get; set; }

    public Task<SequenceStart> Started => _started.Task;

    public Task<SequenceFinish> Finished => _finished.Task;

    /// <summary>Whether there is no room for another token beside those that are coming. If so, the next read wakes the loop.</summary>
    public bool IsReaderBehind()
    {
        if (_generated.Reader.Count + Coming < _readAhead)
        {
            return false;
        }

        // Announced before the second look, and the reader looks after it has read: one of the two sees the other.
        Interlocked.Exchange(ref _pausedForReader, 1);
        return _generated.Reader.Count + Coming >= _readAhead;
    }

    /// <summary>How the token after the first <paramref name="position"/> is chosen, where a backend can.</summary>
    public RowChoice ChoiceAt(int position) => Sampler.ChoiceAt(position, CanGoOnUnseen ? _endTokens : []);

    /// <summary>The next tokens to feed.</summary>
    public ReadOnlySpan<int> Next(int count) => _tokens.AsSpan(Computed, count);

    public void Append(int token, float logProb, ReadOnlySpan<TokenLogProb> alternatives)
    {
        _tokens[Count] = token;
        var kept = Request.Sampling.LogProbs > 0 ? Copy(alternatives) : null;
        _lastTokenAt = Stopwatch.GetTimestamp();
        _firstTokenAt = _firstTokenAt == 0 ? _lastTokenAt : _firstTokenAt;
        _generated.Writer.TryWrite(new Generated(new GeneratedToken(token, logProb, Count), kept)); // room: see IsReaderBehind
        Count++;
    }

    public void MarkStarted(SequenceStart start)
    {
        LeaveQueue();
        _started.TrySetResult(start);
    }

    public void MarkEnded(SequenceEnd end)
    {
        Phase = SequencePhase.Ended;
        LeaveQueue();
        _started.TrySetResult(new SequenceStart(0, FromDevice: false, Warning: null));
        _generated.Writer.TryComplete();
        _finished.TrySetResult(new SequenceFinish(end, Count, Computed) { DecodeTime = Stopwatch.GetElapsedTime(_firstTokenAt, _lastTokenAt) });
    }

    public void MarkFailed(Exception failure)
    {
        Phase = SequencePhase.Ended;
        LeaveQueue();
        _started.TrySetException(failure);
        _finished.TrySetException(failure);
        _ = _started.Task.Exception; // observed: a caller may look at one of the two only
        _ = _finished.Task.Exception;
        _generated.Writer.TryComplete(failure);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))] // once a token
    public async ValueTask<int> ReadAsync(Memory<GeneratedToken> destination, CancellationToken cancellationToken)
    {
        _alternatives.Clear();
        if (!await _generated.Reader.WaitToReadAsync(cancellationToken))
        {
            return 0;
        }

        var count = 0;
        while (count < destination.Length && _generated.Reader.TryRead(out var generated))
        {
            destination.Span[count++] = generated.Token;
            if (generated.Alternatives is { } alternatives)
            {
                _alternatives.Add(alternatives);
            }
        }

        if (Interlocked.Exchange(ref _pausedForReader, 0) != 0)
        {
            _loop.Wake();
        }

        return count;
    }

    public ReadOnlySpan<(int Token, float LogProb)> AlternativesOf(int index) => index < _alternatives.Count ? _alternatives[index] : [];

    public void Cancel()
    {
        IsCancelled = true;
        _loop.Wake();
    }

    /// <summary>Gives up reading the state, if it is being read: nobody waits for it.</summary>
    public void CancelRestore()
    {
        try
        {
            RestoreCancellation?.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The restore has just ended.
        }
    }

    public ValueTask<StateSnapshot> SnapshotAsync(int fromPage, CancellationToken cancellationToken) =>
        new(_loop.AskAsync(() => _loop.Snapshot(this, fromPage), cancellationToken));

    public ValueTask ReleaseAsync(string? residentKey)
    {
        if (Interlocked.Exchange(ref _releasing, 1) != 0)
        {
            return ValueTask.CompletedTask;
        }

        IsCancelled = true;
        var released = _loop.AskAsync(() => _loop.Release(this, residentKey), CancellationToken.None);
        return new ValueTask(released.IsFaulted ? Task.CompletedTask : released); // a stopped loop holds nothing
    }

    /// <summary>By the stepping thread, like all marks.</summary>
    private void LeaveQueue()
    {
        _leaveQueue?.Invoke();
        _leaveQueue = null;
    }

    private static (int Token, float LogProb)[] Copy(ReadOnlySpan<TokenLogProb> alternatives)
    {
        var copy = new (int, float)[alternatives.Length];
        for (var i = 0; i < copy.Length; i++)
        {
            copy[i] = (alternatives[i].Token, alternatives[i].LogProb);
        }

        return copy;
    }

    private readonly record struct Generated(GeneratedToken Token, (int Token, float LogProb)[]? Alternatives);
}
