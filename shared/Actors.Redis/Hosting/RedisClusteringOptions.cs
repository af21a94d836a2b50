using StackExchange.Redis;

namespace Orleans.Configuration;

/// <summary>Which Redis holds the cluster's membership and grain directory.</summary>
public class RedisClusteringOptions
{
    /// <summary>Where Redis is, and how to connect to it. Its connection settings for retries are replaced by our own.</summary>
    public ConfigurationOptions ConfigurationOptions { get; set; } = new();

    /// <summary>How a connection is made; called again for each new one.</summary>
    public Func<RedisClusteringOptions, Task<IConnectionMultiplexer>> CreateMultiplexer { get; set; } = DefaultCreateMultiplexer;

    /// <summary>Connects as <see cref="ConfigurationOptions"/> says.</summary>
    public static async Task<IConnectionMultiplexer> DefaultCreateMultiplexer(RedisClusteringOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return await ConnectionMultiplexer.ConnectAsync(options.ConfigurationOptions);
    }
}
