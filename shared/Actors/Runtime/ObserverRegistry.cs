using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Orleans;
using Orleans.Runtime;

namespace Loire.Actors;

/// <summary>The objects of this process that grains call through references. They are held weakly: an entry ends with its object.</summary>
internal sealed class ObserverRegistry(SiloRuntime runtime)
{
    private static readonly GrainType Type = GrainType.Create("sys.observer");

    private readonly ConcurrentDictionary<GrainId, Activation> _observers = new();
    private readonly ConcurrentDictionary<GrainId, Activation> _named = new();
    private readonly ConditionalWeakTable<IGrainObserver, Entry> _entries = [];

    public int Count => _observers.Count;

    public static bool IsObserver(GrainId grainId) => grainId.Type == Type;

    /// <summary>The observer of this name that each process has.</summary>
    public static GrainId NamedAt(SiloAddress silo, string name) => GrainId.Create(Type, IdSpan.Create($"{silo}+{name}"));

    /// <summary>Adds this process's observer of a name. It stays, and its caller keeps the object.</summary>
    public void AddNamed(string name, IGrainObserver observer)
    {
        var grainId = NamedAt(runtime.Address, name);
        _named[grainId] = new Activation(runtime, grainId, observer);
    }

    /// <summary>The process that has an observer; null for a grain.</summary>
    public static SiloAddress? SiloOf(GrainId grainId) =>
        IsObserver(grainId) && grainId.Key.ToString() is var key && key.LastIndexOf('+') is > 0 and var plus
            && SiloAddress.TryParse(key[..plus], out var silo)
            ? silo
            : null;

    public Activation? Find(GrainId grainId) => _observers.GetValueOrDefault(grainId) ?? _named.GetValueOrDefault(grainId);

    /// <summary>Registers an object, or finds the reference it has.</summary>
    public GrainId Add(IGrainObserver observer)
    {
        ArgumentNullException.ThrowIfNull(observer);
        if (observer is GrainReference)
        {
            throw new ArgumentException("This is a reference already; pass the object itself.", nameof(observer));
        }

        lock (_entries)
        {
            if (!_entries.TryGetValue(observer, out var entry))
            {
                var grainId = GrainId.Create(Type, IdSpan.Create($"{runtime.Address}+{Guid.NewGuid():N}"));
                _observers[grainId] = new Activation(runtime, grainId, observer);
                entry = new Entry(this, grainId);
                _entries.Add(observer, entry);
            }

            return entry.GrainId;
        }
    }

    /// <summary>Ends the object's reference.</summary>
    /// <exception cref="ArgumentException">The object has none.</exception>
    public void Remove(IGrainObserver observer)
    {
        ArgumentNullException.ThrowIfNull(observer);
        lock (_entries)
        {
            if (!_entries.TryGetValue(observer, out var entry))
            {
                throw new ArgumentException("No reference was created for this object, or it was deleted before.", nameof(observer));
            }

            _entries.Remove(observer);
            entry.Dispose();
        }
    }

    /// <summary>Lives as long as its observer: when that is collected, so is the registration.</summary>
    private sealed class Entry(ObserverRegistry registry, GrainId grainId) : IDisposable
    {
        ~Entry() => End();

        public GrainId GrainId { get; } = grainId;

        public void Dispose()
        {
            End();
            GC.SuppressFinalize(this);
        }

        private void End()
        {
            if (registry._observers.TryRemove(GrainId, out var activation))
            {
                activation.EndObserver();
            }
        }
    }
}
