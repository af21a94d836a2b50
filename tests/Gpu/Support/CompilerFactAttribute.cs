using Loire.Gpu.Tests.Running;

namespace Loire.Gpu.Tests;

/// <summary>A fact that makes a stand-in for the driver; skipped, with the reason, where no C compiler is.</summary>
public sealed class CompilerFactAttribute : FactAttribute
{
    public CompilerFactAttribute() => Skip = DriverStandIn.Obstacle;
}

/// <summary>A theory that makes a stand-in for the driver; skipped, with the reason, where no C compiler is.</summary>
public sealed class CompilerTheoryAttribute : TheoryAttribute
{
    public CompilerTheoryAttribute() => Skip = DriverStandIn.Obstacle;
}
