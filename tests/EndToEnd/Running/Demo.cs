using Loire.Cli.Terminal;

namespace Loire.EndToEnd.Tests.Running;

/// <summary>The models in the repository.</summary>
internal static class Demo
{
    public static string Model { get; } = Places.DemoModel ?? throw new InvalidOperationException($"No folder above {AppContext.BaseDirectory} has the demo model.");

    public static string Fixture(string name) => Path.Combine(Places.Home!, "tests", "fixtures", name);
}
