using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Orleans.Runtime;
using Orleans.Storage;

namespace Loire.Actors;

/// <summary>A grain's stored state: read in <see cref="GrainLifecycleStage.SetupState"/>, or taken along when the grain moves.</summary>
internal sealed class PersistentState<T> : IPersistentState<T>, IGrainState<T>, ILifecycleObserver, IGrainMigrationParticipant
{
    private readonly Activation _activation;
    private readonly string _name;
    private readonly IGrainStorage _store;
    private bool _arrived;

    private PersistentState(Activation activation, string name, IGrainStorage store)
    {
        _activation = activation;
        _name = name;
        _store = store;
        State = NewState();
    }

    public T State { get; set; }

    public string? ETag { get; set; }

    public bool RecordExists { get; set; }

    public string? Etag => ETag;

    private GrainId GrainId => _activation.GrainId;

    /// <exception cref="OrleansConfigurationException">The silo has no store of that name.</exception>
    public static PersistentState<T> Create(Activation activation, string name, string? storeName)
    {
        var key = storeName ?? GrainStorageNames.Default;
        var store = activation.ActivationServices.GetKeyedService<IGrainStorage>(key)
            ?? throw new OrleansConfigurationException(
                $"State '{name}' of {activation.Class.Name} needs the store '{key}', and the silo has none of that name: call AddMemoryGrainStorage(\"{key}\") or add another.");
        var state = new PersistentState<T>(activation, name, store);
        activation.ObservableLifecycle.Subscribe($"state {name}", GrainLifecycleStage.SetupState, state);
        activation.ObservableLifecycle.AddMigrationParticipant(state);
        return state;
    }

    public Task ReadStateAsync() => _store.ReadStateAsync(_name, GrainId, this);

    public Task WriteStateAsync() => _store.WriteStateAsync(_name, GrainId, this);

    public async Task ClearStateAsync()
    {
        await _store.ClearStateAsync(_name, GrainId, this);
        State = NewState();
    }

    public Task OnStart(CancellationToken cancellationToken) => _arrived ? Task.CompletedTask : ReadStateAsync();

    public Task OnStop(CancellationToken cancellationToken) => Task.CompletedTask;

    public void OnDehydrate(IDehydrationContext dehydrationContext)
    {
        ArgumentNullException.ThrowIfNull(dehydrationContext);
        if (dehydrationContext.TryAddValue(Key("state"), State))
        {
            dehydrationContext.TryAddValue(Key("etag"), ETag ?? "");
            dehydrationContext.TryAddValue(Key("exists"), RecordExists);
        }
    }

    public void OnRehydrate(IRehydrationContext rehydrationContext)
    {
        ArgumentNullException.ThrowIfNull(rehydrationContext);
        if (rehydrationContext.TryGetValue(Key("exists"), out bool exists)
            && rehydrationContext.TryGetValue(Key("etag"), out string? etag)
            && rehydrationContext.TryGetValue(Key("state"), out T? state))
        {
            State = state;
            ETag = etag.Length == 0 ? null : etag;
            RecordExists = exists;
            _arrived = true;
        }
    }

    private static T NewState() => typeof(T).IsValueType || typeof(T).GetConstructor(Type.EmptyTypes) is not null
        ? Activator.CreateInstance<T>()
        : default!;

    private string Key(string part) => $"state.{_name}.{part}";
}
