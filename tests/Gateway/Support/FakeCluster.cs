using System.Collections.Concurrent;
using System.Collections.Immutable;
using Loire.Contracts;
using Orleans;
using Orleans.Runtime;

namespace Loire.Gateway.Tests;

/// <summary>A cluster in memory: sessions that keep what they are told, and answers from a script.</summary>
internal sealed partial class FakeCluster : IGrainFactory, IClusterGrain
{
    private readonly ConcurrentDictionary<string, FakeSession> _sessions = new(StringComparer.Ordinal);

    /// <summary>What the model says to a turn, piece by piece. Each piece becomes an event.</summary>
    public Func<TurnRequest, CancellationToken, IAsyncEnumerable<string>> Script { get; set; } = static (_, _) => Pieces("Hello", " there", ".");

    public ImmutableArray<ModelView> Models { get; set; } = [DemoModel.View()];

    public Func<Task<ClusterView>> View { get; set; } = static () => Task.FromResult(new ClusterView(true, null, [], []));

    /// <summary>Every turn that was asked for, in order.</summary>
    public ConcurrentQueue<TurnRequest> Turns { get; } = new();

    /// <summary>The session, whether or not it has begun.</summary>
    public FakeSession Session(string id, string owner = SessionKey.LocalOwner) => Session(new SessionKey(owner, id));

    public static async IAsyncEnumerable<string> Pieces(params string[] pieces)
    {
        foreach (var piece in pieces)
        {
            await Task.Yield();
            yield return piece;
        }
    }

    public TGrainInterface GetGrain<TGrainInterface>(string primaryKey, string? grainClassNamePrefix = null)
        where TGrainInterface : IGrainWithStringKey =>
        (TGrainInterface)(typeof(TGrainInterface) == typeof(IClusterGrain) ? (object)this : Session(SessionKey.Parse(primaryKey)));

    Task<ImmutableArray<ModelView>> IClusterGrain.GetModelsAsync() => Task.FromResult(Models);

    Task<SessionPage> IClusterGrain.ListSessionsAsync(string owner, string? after, int limit)
    {
        var all = _sessions.Values.Where(session => session.Key.Owner == owner && session.Exists).OrderBy(session => session.Key.Id, StringComparer.Ordinal).ToArray();
        var rest = all.Where(session => after is null || string.CompareOrdinal(session.Key.Id, after) > 0).ToArray();
        var page = rest.Take(limit).Select(session => session.View with { History = [] }).ToImmutableArray();
        return Task.FromResult(new SessionPage(page, rest.Length > limit ? page[^1].Id : null));
    }

    Task<ClusterView> IClusterGrain.GetAsync() => View();

    Task<ClusterLoads> IClusterGrain.ReportAsync(SiloLoad load) => Task.FromResult(new ClusterLoads());

    internal FakeSession Session(SessionKey key) => _sessions.GetOrAdd(key.ToString(), _ => new FakeSession(key, this));

    public TGrainInterface GetGrain<TGrainInterface>(long primaryKey, string? grainClassNamePrefix = null)
        where TGrainInterface : IGrainWithIntegerKey => throw new NotSupportedException();

    public TGrainInterface GetGrain<TGrainInterface>(Guid primaryKey, string? grainClassNamePrefix = null)
        where TGrainInterface : IGrainWithGuidKey => throw new NotSupportedException();

    public TGrainInterface GetGrain<TGrainInterface>(GrainId grainId)
        where TGrainInterface : IAddressable => throw new NotSupportedException();

    public TGrainObserverInterface CreateObjectReference<TGrainObserverInterface>(IGrainObserver obj)
        where TGrainObserverInterface : IGrainObserver => throw new NotSupportedException();

    public void DeleteObjectReference<TGrainObserverInterface>(IGrainObserver obj)
        where TGrainObserverInterface : IGrainObserver => throw new NotSupportedException();
}
