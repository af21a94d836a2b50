namespace Loire.Gateway;

/// <summary>The page on which the actor runtime shows itself: the one in <c>shared/Actors</c> has none, <c>/v1/cluster</c> and the metrics say what it does.</summary>
internal static class RuntimeDashboard
{
    public static void AddTo(IServiceCollection services) => ArgumentNullException.ThrowIfNull(services);

    public static void Map(WebApplication app) => ArgumentNullException.ThrowIfNull(app);
}
