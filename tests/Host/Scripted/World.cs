using Loire.Contracts;
using Loire.Silo;
using Loire.Silo.Models;
using Loire.Silo.Replicas;
using Loire.Silo.Sessions;
using Loire.Store;
using Loire.Telemetry;
using Microsoft.Extensions.Logging.Abstractions;

namespace Loire.Host.Tests;

/// <summary>Sessions over a scripted engine and a real store, on one scheduler as in a grain. Each test ends with an audit: nothing is leased.</summary>
internal sealed class World
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(60);
    private readonly Dictionary<string, Session> _sessions = [];
    private readonly string _directory;
    private readonly SiloOptions _options;
    private readonly LocalReplica _replica;

    private World(string directory, int checkpointEvery)
    {
        _directory = directory;
        _options = new SiloOptions { ModelFolders = ["."], DataDirectory = directory, CheckpointEveryTokens = checkpointEvery };
        Store = OpenStore();
        Engine = new ScriptedEngine();
        Turns = OpenTurns();
        _replica = new LocalReplica(() => Turns);
    }

    public static ServedModel Model { get; } = new()
    {
        Id = "bytes", Folder = "bytes", Digest = Digest.Of("bytes"u8), Family = "scripted", Layers = 4, Experts = 8,
        VocabularySize = ByteTokens.Count, ContextLength = 4096, EndTokens = [ByteTokens.End], Tokenizer = ByteTokens.Tokenizer,
    };

    public FakeTime Time { get; } = new();

    public FaultyStore Store { get; private set; }

    public ScriptedEngine Engine { get; private set; }

    public ReplicaTurns Turns { get; private set; }

    public TurnDrain Drain { get; private set; } = new();

    public LocalReplica Replica => _replica;

    public LoireMetrics Metrics { get; } = new();

    public string BlobDirectory => _directory;

    /// <summary>Runs a test on a scheduler of its own, one piece at a time, and audits at its end.</summary>
    public static async Task RunAsync(Func<World, Task> test, int checkpointEvery = 256)
    {
        var directory = Directory.CreateTempSubdirectory("loire-host-").FullName;
        try
        {
            var scheduler = new ConcurrentExclusiveSchedulerPair().ExclusiveScheduler;
            await Task.Factory.StartNew(() => RunCoreAsync(test, directory, checkpointEvery), CancellationToken.None, TaskCreationOptions.DenyChildAttach, scheduler)
                .Unwrap().WaitAsync(s_deadline);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    /// <summary>The activation of a session; the same object each time until <see cref="RestartAsync"/>.</summary>
    public Session Session(string id = "chat") => _sessions.TryGetValue(id, out var session) ? session : _sessions[id] = Activate(id);

    /// <summary>One more activation, as after a failure of membership.</summary>
    public Session Activate(string id = "chat", string owner = SessionKey.LocalOwner) => new(
        new SessionKey(owner, id), Store, new ModelCatalog([Model]), _ => _replica, Drain, Metrics, Time, NullLogger.Instance);

    /// <summary>Another process over the same directory: nothing of this one's memory is left.</summary>
    public async Task RestartAsync()
    {
        await Store.DisposeAsync();
        _sessions.Clear();
        Drain = new TurnDrain();
        Store = OpenStore();
        Engine = new ScriptedEngine();
        Turns = OpenTurns();
    }

    /// <summary>What a client would send next in a kept session.</summary>
    public static async Task<TurnRequest> NextAsync(Session session, string text, string turnId)
    {
        var history = await session.GetHistoryAsync();
        return Request(text, turnId) with
        {
            ExpectedHead = history?.Head,
            KeepTokens = history?.Head is null ? 0 : history.Tokens.Length,
            KeepMessages = history?.Head is null ? 0 : history.Messages.Length,
        };
    }

    public static TurnRequest Request(string text, string turnId) => new()
    {
        TurnId = turnId,
        Model = Model.Id,
        Tokens = [.. ByteTokens.Of(text)],
        Messages = [new TranscriptMessage("user", text)],
        Sampling = new SamplingOptions(),
        MaxTokens = 1000,
    };

    public async Task<List<TurnEvent>> RunTurnAsync(string text, string turnId, string session = "chat") =>
        await ReadAsync(Session(session).RunAsync(await NextAsync(Session(session), text, turnId), CancellationToken.None));

    public static async Task<List<TurnEvent>> ReadAsync(IAsyncEnumerable<TurnEvent> events)
    {
        var read = new List<TurnEvent>();
        await foreach (var item in events)
        {
            read.Add(item);
        }

        return read;
    }

    public static string TextOf(IEnumerable<TurnEvent> events) => string.Concat(events.Select(item => item.Chunk?.Text));

    public static int[] TokensOf(IEnumerable<TurnEvent> events) => [.. events.SelectMany(item => item.Chunk?.Tokens ?? [])];

    public async Task<SessionView> ViewAsync(string session = "chat")
    {
        var view = await Session(session).GetAsync();
        Assert.NotNull(view);
        return view;
    }

    private static async Task RunCoreAsync(Func<World, Task> test, string directory, int checkpointEvery)
    {
        var world = new World(directory, checkpointEvery);
        try
        {
            await test(world);
            foreach (var session in world._sessions.Values)
            {
                await session.SettleAsync();
            }

            world.Audit();
        }
        finally
        {
            await world.Store.DisposeAsync();
        }
    }

    private void Audit()
    {
        Engine.Audit();
        Assert.Equal(0, Turns.Running);
        Assert.Equal(0, _replica.OpenStreams);
        Assert.Equal(0, Drain.Running);
    }

    private FaultyStore OpenStore() => new(new DirectoryStore(
        new DirectoryStoreOptions { Path = _directory, SyncRecords = false }, Time, NullLogger<DirectoryStore>.Instance));

    private ReplicaTurns OpenTurns() => new("bytes/0", Model, Engine, Store, _options, Metrics, Time, NullLoggerFactory.Instance);
}
