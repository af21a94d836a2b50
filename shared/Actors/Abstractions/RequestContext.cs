namespace Orleans.Runtime;

/// <summary>Values that travel with calls, from the caller to all that it calls; changes do not travel back.</summary>
public static class RequestContext
{
    private const string ReentrancyKey = "#CCR";

    // The dictionary is never changed once it is here: a call in flight shares it.
    private static readonly AsyncLocal<Dictionary<string, object>?> Current = new();

    /// <summary>The names of all values.</summary>
    public static IEnumerable<string> Keys => Current.Value?.Keys ?? Enumerable.Empty<string>();

    /// <summary>All values.</summary>
    public static IEnumerable<KeyValuePair<string, object>> Entries => Current.Value ?? Enumerable.Empty<KeyValuePair<string, object>>();

    /// <summary>The call chain that may come back into grains it runs in; empty when there is none.</summary>
    public static Guid ReentrancyId
    {
        get => ReentrancyIdOf(Current.Value);
        set
        {
            if (value == Guid.Empty)
            {
                Remove(ReentrancyKey);
            }
            else
            {
                Set(ReentrancyKey, value);
            }
        }
    }

    /// <summary>What a call takes along; null when there is nothing.</summary>
    internal static Dictionary<string, object>? Values
    {
        get => Current.Value;
        set
        {
            // Each assignment costs an execution context, so an unchanged value is not assigned.
            if (!ReferenceEquals(Current.Value, value))
            {
                Current.Value = value;
            }
        }
    }

    /// <summary>Lets calls made before the section is disposed come back into this grain while it waits for them.</summary>
    public static ReentrancySection AllowCallChainReentrancy()
    {
        var original = ReentrancyId;
        return new ReentrancySection(original, original == Guid.Empty ? Guid.NewGuid() : original);
    }

    /// <summary>Takes that back for calls made before the section is disposed.</summary>
    public static ReentrancySection SuppressCallChainReentrancy() => new(ReentrancyId, Guid.Empty);

    /// <summary>The value of this name, or null.</summary>
    public static object? Get(string key) => Current.Value?.GetValueOrDefault(key);

    /// <summary>Sets a value for the calls that follow. It must be a type that can travel: text, a number, a serializable type.</summary>
    public static void Set(string key, object value)
    {
        ArgumentNullException.ThrowIfNull(value);
        Current.Value = new Dictionary<string, object>(Current.Value ?? []) { [key] = value };
    }

    /// <summary>Removes a value, and says whether it was there.</summary>
    public static bool Remove(string key)
    {
        if (Current.Value is not { } values || !values.ContainsKey(key))
        {
            return false;
        }

        var rest = new Dictionary<string, object>(values);
        rest.Remove(key);
        Current.Value = rest.Count == 0 ? null : rest;
        return true;
    }

    /// <summary>Removes all values.</summary>
    public static void Clear() => Values = null;

    internal static Guid ReentrancyIdOf(Dictionary<string, object>? values) =>
        values is not null && values.TryGetValue(ReentrancyKey, out var value) && value is Guid id ? id : Guid.Empty;

    /// <summary>A stretch of code in which call-chain reentrancy is allowed or suppressed; disposing ends it.</summary>
    public readonly struct ReentrancySection : IDisposable
    {
        private readonly Guid _original;
        private readonly Guid _own;
        private readonly Loire.Actors.Activation? _activation;

        internal ReentrancySection(Guid original, Guid own)
        {
            _original = original;
            _own = own;
            if (own != original)
            {
                ReentrancyId = own;
            }

            if (own != Guid.Empty)
            {
                _activation = RuntimeContext.Current;
                _activation?.EnterReentrantSection(own);
            }
        }

        /// <summary>Ends the section.</summary>
        public void Dispose()
        {
            _activation?.LeaveReentrantSection(_own);

            if (_own != _original)
            {
                ReentrancyId = _original;
            }
        }
    }
}
