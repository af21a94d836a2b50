using System.Runtime.CompilerServices;

namespace Loire.Actors.Redis.Tests;

internal static class PoolSettings
{
    /// <summary>Reading another process's output holds a pool thread, and on two cores there are two before the pool grows by two a second.</summary>
    [ModuleInitializer]
    internal static void Widen() => ThreadPool.SetMinThreads(32, 32);
}
