namespace Loire.Actors.Tests;

/// <summary>A lease that a test takes away.</summary>
internal sealed class TestLease : IClusterLease
{
    public long Epoch => 1;

    public bool IsHeld => LostReason is null;

    public CancellationToken Lost => CancellationToken.None;

    public string? LostReason { get; set; }
}
