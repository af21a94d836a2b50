using Loire.Actors.Redis;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;
using Orleans.Runtime;
using StackExchange.Redis;

namespace Orleans.Hosting;

/// <summary>Clustering on Redis: membership, failure detection and the grain directory.</summary>
/// <remarks>How long a silent silo lives is set by <c>Configure&lt;RedisLeaseOptions&gt;</c>, the same in all processes of a cluster.</remarks>
public static class RedisClusteringISiloBuilderExtensions
{
    /// <summary>Makes the silo a member of the cluster that this Redis holds.</summary>
    public static ISiloBuilder UseRedisClustering(this ISiloBuilder builder, string connectionString) =>
        builder.UseRedisClustering(RedisConnection.From(connectionString));

    /// <summary>Makes the silo a member of the cluster that this Redis holds.</summary>
    public static ISiloBuilder UseRedisClustering(this ISiloBuilder builder, Action<RedisClusteringOptions> configuration)
    {
        ArgumentNullException.ThrowIfNull(builder);
        RedisClusteringServices.AddMember(builder.Services);
        builder.Services.Configure(configuration);
        return builder;
    }
}

/// <summary>Finding silos by Redis.</summary>
public static class RedisClusteringIClientBuilderExtensions
{
    /// <summary>Lets the client see the cluster that this Redis holds.</summary>
    public static IClientBuilder UseRedisClustering(this IClientBuilder builder, string connectionString) =>
        builder.UseRedisClustering(RedisConnection.From(connectionString));

    /// <summary>Lets the client see the cluster that this Redis holds.</summary>
    public static IClientBuilder UseRedisClustering(this IClientBuilder builder, Action<RedisClusteringOptions> configuration)
    {
        ArgumentNullException.ThrowIfNull(builder);
        RedisClusteringServices.AddClient(builder.Services);
        builder.Services.Configure(configuration);
        return builder;
    }
}

internal static class RedisConnection
{
    /// <exception cref="OrleansConfigurationException">The text names no Redis.</exception>
    public static Action<RedisClusteringOptions> From(string connectionString)
    {
        ArgumentNullException.ThrowIfNull(connectionString);
        ConfigurationOptions parsed;
        try
        {
            parsed = ConfigurationOptions.Parse(connectionString);
        }
        catch (ArgumentException exception)
        {
            throw new OrleansConfigurationException($"The connection string of Redis cannot be read: {exception.Message} It is written host:port,option=value.", exception);
        }

        return parsed.EndPoints.Count > 0
            ? options => options.ConfigurationOptions = parsed
            : throw new OrleansConfigurationException("The connection string names no Redis. It is written host:port,option=value.");
    }
}
