using System.CommandLine;
using Loire.Cli.Terminal;
using Loire.Store.Redis;

namespace Loire.Cli.Cluster;

/// <summary>Which cluster a silo or gateway belongs to, and how it gets there: the same for all of its processes.</summary>
internal sealed record ClusterSettings
{
    public const string SecretVariable = "LOIRE_CLUSTER_SECRET";

    /// <summary>Address of Redis, as <c>host:port</c> with options after commas.</summary>
    public required string Redis { get; init; }

    /// <summary>Clusters on one Redis are apart by this name.</summary>
    public required string Name { get; init; }

    /// <summary>What peers prove to each other that they know.</summary>
    public string? Secret { get; init; }

    /// <summary>Leases for one host or rack: a dead silo is found within about a second.</summary>
    public bool Fast { get; init; }

    /// <summary>How long state stays in the store that no session reaches.</summary>
    public TimeSpan StateTimeToLive { get; init; } = TimeSpan.FromHours(24);

    public RedisStoreOptions Store => new() { Connection = Redis, Cluster = Name, TimeToLive = StateTimeToLive };
}

/// <summary>The options that <c>loire silo</c> and <c>loire gateway</c> share.</summary>
internal sealed class ClusterOptionSet
{
    private readonly Option<string> _redis = new("--redis") { Description = "Redis of the cluster, host:port.", HelpName = "ADDRESS", DefaultValueFactory = _ => "localhost:6379" };
    private readonly Option<string> _name = new("--cluster") { Description = "Name of the cluster.", HelpName = "NAME", DefaultValueFactory = _ => "loire" };
    private readonly Option<bool> _fast = new("--fast") { Description = "Short leases, for silos on one host or rack: a dead silo is found within a second." };

    public void AddTo(Command command)
    {
        command.Add(_redis);
        command.Add(_name);
        command.Add(_fast);
    }

    /// <exception cref="CommandFailedException">The secret is too short.</exception>
    public ClusterSettings Read(ParseResult arguments)
    {
        var secret = Environment.GetEnvironmentVariable(ClusterSettings.SecretVariable);
        return new ClusterSettings
        {
            Redis = arguments.GetValue(_redis)!,
            Name = arguments.GetValue(_name)!,
            Fast = arguments.GetValue(_fast),
            Secret = secret is { Length: > 0 } ? secret : null,
        };
    }
}
