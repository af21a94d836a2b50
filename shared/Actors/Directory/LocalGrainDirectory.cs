using System.Collections.Concurrent;
using Orleans.GrainDirectory;
using Orleans.Runtime;

namespace Loire.Actors;

/// <summary>The directory of a cluster of one silo, or of one process, in its memory.</summary>
internal sealed class LocalGrainDirectory : IGrainDirectory
{
    private readonly ConcurrentDictionary<GrainId, GrainAddress> _entries = new();

    public int Count => _entries.Count;

    public Task<GrainAddress?> Register(GrainAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return Task.FromResult<GrainAddress?>(_entries.GetOrAdd(address.GrainId, address));
    }

    public Task<GrainAddress?> Register(GrainAddress address, GrainAddress? previousAddress)
    {
        ArgumentNullException.ThrowIfNull(address);
        return previousAddress is not null
            && _entries.TryGetValue(address.GrainId, out var entry)
            && entry.Matches(previousAddress)
            && _entries.TryUpdate(address.GrainId, address, entry)
            ? Task.FromResult<GrainAddress?>(address)
            : Register(address);
    }

    public Task Unregister(GrainAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        if (_entries.TryGetValue(address.GrainId, out var entry) && entry.Matches(address))
        {
            _entries.TryRemove(new(address.GrainId, entry));
        }

        return Task.CompletedTask;
    }

    public Task<GrainAddress?> Lookup(GrainId grainId) => Task.FromResult(_entries.GetValueOrDefault(grainId));

    public Task UnregisterSilos(List<SiloAddress> siloAddresses)
    {
        foreach (var (grainId, entry) in _entries)
        {
            if (entry.SiloAddress is { } silo && siloAddresses.Contains(silo))
            {
                _entries.TryRemove(new(grainId, entry));
            }
        }

        return Task.CompletedTask;
    }
}
