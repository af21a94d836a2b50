namespace Loire.Store.Tests;

/// <summary>A fact about Redis: skipped where there is none. In this namespace, the contract's facts are such facts too.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class FactAttribute : Xunit.FactAttribute
{
    public FactAttribute() => Skip = RedisProcess.Binary is null ? RedisProcess.HowToInstall : null;
}

/// <summary>A theory about Redis: skipped where there is none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class TheoryAttribute : Xunit.TheoryAttribute
{
    public TheoryAttribute() => Skip = RedisProcess.Binary is null ? RedisProcess.HowToInstall : null;
}
