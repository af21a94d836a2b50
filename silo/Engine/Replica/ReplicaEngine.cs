using Loire.Engine.Backends;
using Loire.Engine.State;
using Loire.Text;

namespace Loire.Engine.Replica;

/// <summary>A replica: the step loop on a thread of its own, and the checks at its door.</summary>
internal sealed class ReplicaEngine : IReplicaEngine
{
    private readonly IBackend _backend;
    private readonly EngineOptions _options;
    private readonly Tokenizer? _tokenizer;
    private readonly int _longestToken;
    private readonly StepLoop _loop;
    private readonly Thread _thread;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _waiting;
    private int _disposed;

    /// <param name="backend">Owned from here on.</param>
    /// <param name="contextLength">Of the model, in tokens.</param>
    /// <param name="options">Sizes.</param>
    /// <param name="tokenizer">Needed for stop texts.</param>
    public ReplicaEngine(IBackend backend, int contextLength, EngineOptions options, Tokenizer? tokenizer)
    {
        _backend = backend;
        _options = options;
        _tokenizer = tokenizer;
        for (var token = 0; token < tokenizer?.VocabularySize; token++)
        {
            _longestToken = Math.Max(_longestToken, tokenizer.BytesOf(token).Length);
        }

        Shape = new ReplicaShape
        {
            VocabularySize = backend.VocabularySize,
            ContextTokens = (int)Math.Min(contextLength, (long)backend.Pages * StateShape.PageTokens),
            Slots = backend.Slots,
            Pages = backend.Pages,
            State = backend.State,
        };
        _loop = new StepLoop(backend, options, tokenizer is null ? null : tokenizer.BytesOf);
        _thread = new Thread(Live) { IsBackground = true, Name = "loire-step" };
        _thread.Start();
    }

    public ReplicaShape Shape { get; }

    public ReplicaLoad Load => _loop.Load;

    public ISequence Start(SequenceRequest request)
    {
        Check(request);
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        if (Interlocked.Increment(ref _waiting) > _options.MaxWaiting)
        {
            LeaveQueue();
            throw new EngineBusyException($"{_options.MaxWaiting} sequences wait for a place already. Retry later, or raise Engine:MaxWaiting.");
        }

        var sequence = NewSequence(request);
        if (!_loop.Ask(() => _loop.Enqueue(sequence)))
        {
            throw new ObjectDisposedException(nameof(IReplicaEngine), "The replica has stopped.");
        }

        return sequence;
    }

    public bool IsResident(string stateKey) => _loop.Residents.Contains(stateKey);

    public ValueTask<bool> ReleaseAsync(string stateKey) => new(_loop.AskAsync(() => _loop.ReleaseResident(stateKey), CancellationToken.None));

    public ValueTask<StateSnapshot?> SnapshotAsync(string stateKey, CancellationToken cancellationToken) =>
        new(_loop.AskAsync(() => _loop.SnapshotResident(stateKey), cancellationToken));

    public ValueTask<bool> AdoptAsync(StateAdoption adoption, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(adoption.Restore.TokenCount, 1, nameof(adoption));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(adoption.SharedPages, adoption.Restore.TokenCount / StateShape.PageTokens, nameof(adoption));
        return adoption.Restore.TokenCount < Shape.ContextTokens ? new(_loop.AdoptAsync(adoption, cancellationToken)) : new(false);
    }

    public Exception? Lost => _loop.Lost;

    public Task RouteAsync(ICpuShard from, ICpuShard to) => _loop.RouteAsync(from, to);

    /// <summary>Proves between two steps that no slot or page is lost.</summary>
    public Task AuditAsync() => _loop.AskAsync(
        () =>
        {
            _loop.Audit();
            return true;
        },
        CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            _loop.Stop();
            await _ended.Task;
            await _loop.StateUsers.CloseAsync(); // whose copy would be of freed memory
            _loop.Dispose();
            _backend.Dispose();
        }
    }

    /// <summary>Checks the sampling settings as well. What is refused does not wait.</summary>
    private Sequence NewSequence(SequenceRequest request)
    {
        try
        {
            var stops = request.StopTexts.Count == 0 ? null : Replayed(new StopTextDetector(request.StopTexts, _longestToken), request);
            return new Sequence(_loop, request, Shape.VocabularySize, Shape.ContextTokens, _options.ReadAheadTokens, stops, LeaveQueue);
        }
        catch
        {
            LeaveQueue();
            throw;
        }
    }

    /// <summary>A stop text may begin in what was generated before.</summary>
    private StopTextDetector Replayed(StopTextDetector stops, SequenceRequest request)
    {
        foreach (var token in request.Tokens.AsSpan(request.Tokens.Length - request.Generated))
        {
            stops.Push(_tokenizer!.BytesOf(token)); // stop texts need a tokenizer
        }

        return stops;
    }

    private void LeaveQueue() => Interlocked.Decrement(ref _waiting);

    private void Live()
    {
        try
        {
            _loop.Run();
        }
        catch (Exception defect)
        {
            // A half-run step leaves states that nobody can trust. Sessions are in the store: the process starts anew.
            Environment.FailFast($"The step loop failed: {defect.Message}", defect);
        }
        finally
        {
            _ended.TrySetResult();
        }
    }

    private void Check(SequenceRequest request)
    {
        if (request.Tokens.Length == 0)
        {
            throw new ArgumentException("The prompt is empty.", nameof(request));
        }

        if (request.Tokens.Length >= Shape.ContextTokens)
        {
            throw new ArgumentException($"The prompt has {request.Tokens.Length} tokens; with room for an answer at most {Shape.ContextTokens - 1} fit.", nameof(request));
        }

        var outside = request.Tokens.AsSpan().IndexOfAnyExceptInRange(0, Shape.VocabularySize - 1);
        if (outside >= 0)
        {
            throw new ArgumentException($"Token {request.Tokens[outside]} at position {outside} is outside the vocabulary of {Shape.VocabularySize}.", nameof(request));
        }

        if (request.Restore is { } restore && (restore.TokenCount <= 0 || restore.TokenCount >= request.Tokens.Length))
        {
            throw new ArgumentException($"A state of {restore.TokenCount} tokens is no proper prefix of a prompt of {request.Tokens.Length}.", nameof(request));
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(request.MaxNewTokens, 1, nameof(request));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)request.Generated, (uint)request.Tokens.Length, nameof(request));
        if (request.StopTexts.Count > 0 && (_tokenizer is null || request.StopTexts.Any(stop => stop.Length == 0)))
        {
            throw new ArgumentException(_tokenizer is null ? "Stop texts need a tokenizer." : "A stop text is empty.", nameof(request));
        }
    }
}
