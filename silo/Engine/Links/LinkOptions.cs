namespace Loire.Engine.Links;

/// <summary>How tensor links are made, at both of their ends.</summary>
public sealed record LinkOptions
{
    /// <summary>What both ends must know. Null: links only on the loopback address.</summary>
    public string? Secret { get; init; }

    /// <summary>How long connecting and the handshake may take.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long an answer may take before its part counts as lost. Longer than the longest step.</summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The largest payload, in bytes.</summary>
    public int MaxFrameBytes { get; init; } = 256 << 20;

    /// <summary>Links that a listener serves at once; further ones are closed.</summary>
    public int MaxLinks { get; init; } = 256;
}

/// <summary>Where a part of a replica is reached: the listener of its silo, and its name there.</summary>
/// <param name="Address"><c>host:port</c></param>
/// <param name="Name">Of the part.</param>
public sealed record PartEndpoint(string Address, string Name)
{
    public override string ToString() => $"'{Name}' at {Address}";
}

/// <summary>A part of a replica on another silo does not answer any more. What the replica has computed since is worth nothing: it is opened anew.</summary>
public sealed class PartLostException : IOException
{
    public PartLostException(PartEndpoint part, string reason, Exception? inner = null)
        : base($"The part {part} of the replica is lost: {reason}", inner) => Part = part;

    public PartEndpoint Part { get; }
}
