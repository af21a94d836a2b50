namespace Loire.Cluster.Tests.Running;

/// <summary>A test that needs a redis-server.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class RedisFactAttribute : FactAttribute
{
    public RedisFactAttribute()
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        Skip = folders.Any(folder => File.Exists(Path.Combine(folder, "redis-server"))) ? null : "redis-server is not on the PATH: apt-get install -y redis-server.";
    }
}
