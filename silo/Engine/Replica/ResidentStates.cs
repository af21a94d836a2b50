using System.Diagnostics.CodeAnalysis;
using Loire.Engine.State;

namespace Loire.Engine.Replica;

/// <summary>States of ended sequences that stay on the device until someone goes on from them, or their place is needed.</summary>
/// <remarks>Changed by the stepping thread only; <see cref="Contains"/> and <see cref="Count"/> may be asked by any.</remarks>
internal sealed class ResidentStates
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, LinkedListNode<Resident>> _byKey = new(StringComparer.Ordinal);
    private readonly LinkedList<Resident> _oldestFirst = [];
    private int _pages;

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _byKey.Count;
            }
        }
    }

    /// <summary>Pages that they hold, those that two of them share counted twice.</summary>
    public int Pages
    {
        get
        {
            lock (_gate)
            {
                return _pages;
            }
        }
    }

    public bool Contains(string key)
    {
        lock (_gate)
        {
            return _byKey.ContainsKey(key);
        }
    }

    /// <summary>Keeps a state. False: the key is taken already, by an equal state; the caller frees its own.</summary>
    public bool TryAdd(string key, StatePlace place, int tokenCount)
    {
        lock (_gate)
        {
            if (_byKey.ContainsKey(key))
            {
                return false;
            }

            _byKey[key] = _oldestFirst.AddLast(new Resident(key, place, tokenCount));
            _pages += place.Pages.Count;
            return true;
        }
    }

    /// <summary>Looks at a state, which stays.</summary>
    public bool TryGet(string key, [NotNullWhen(true)] out Resident? resident)
    {
        lock (_gate)
        {
            resident = _byKey.GetValueOrDefault(key)?.Value;
            return resident is not null;
        }
    }

    /// <summary>Hands a state over: it is resident no more.</summary>
    public bool TryTake(string key, [NotNullWhen(true)] out Resident? resident)
    {
        lock (_gate)
        {
            if (!_byKey.Remove(key, out var node))
            {
                resident = null;
                return false;
            }

            _oldestFirst.Remove(node);
            _pages -= node.Value.Place.Pages.Count;
            resident = node.Value;
            return true;
        }
    }

    public bool TryTakeOldest([NotNullWhen(true)] out Resident? resident)
    {
        lock (_gate)
        {
            resident = _oldestFirst.First?.Value;
        }

        return resident is not null && TryTake(resident.Key, out resident);
    }
}

/// <param name="Key">Name that the owner gave it.</param>
/// <param name="Place">Where it is.</param>
/// <param name="TokenCount">Tokens that it covers.</param>
internal sealed record Resident(string Key, StatePlace Place, int TokenCount);
