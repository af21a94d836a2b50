namespace Loire.Gateway;

/// <summary>Lets a host hold readiness back while it prepares what the cluster does not know of.</summary>
/// <remarks>Open unless somebody closes it.</remarks>
public sealed class ReadinessGate
{
    private volatile string? _reason;

    /// <summary>Why the gateway is not ready yet, in one sentence; null when it holds nothing back.</summary>
    public string? Reason => _reason;

    public void Close(string reason) => _reason = reason;

    public void Open() => _reason = null;
}
