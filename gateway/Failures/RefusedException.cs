namespace Loire.Gateway;

/// <summary>A request that is refused at the door, for a reason that only HTTP knows: its size, its key, its media type, its address.</summary>
internal sealed class RefusedException(int status, string code, string message, string? field = null) : Exception(message)
{
    public int Status { get; } = status;
    public string Code { get; } = code;
    public string? Field { get; } = field;
}
