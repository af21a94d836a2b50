using Loire.Cli.Chaos;
using Loire.Cli.Recall;
using Loire.Cli.Terminal;
using Loire.Cluster.Tests.Running;

namespace Loire.Cluster.Tests;

/// <summary>32 conversations while silos are killed, frozen, drained and added, gateways are killed, Redis is full, slow and restarted, and sessions are moved.</summary>
public sealed class ChaosTests
{
    private const int Seconds = 60;

    [RedisFact]
    public async Task Whatever_happens_to_silos_gateways_and_Redis_every_stream_is_what_it_is_undisturbed()
    {
        var folder = Directory.CreateTempSubdirectory("loire-chaos-");
        var model = Places.DemoModel!; // the repository has it
        var settings = new ChaosSettings(Seconds, Seed: 3, Conversations: 32, Silos: 3, Fast: false, Port: RunningCluster.FreePorts(40));

        var report = await ChaosRun.RunAsync(
            model, folder.FullName, RecallFile.Read(Path.Combine(model, "recall.json")), settings, new Progress<double>(), CancellationToken.None);

        var text = new StringWriter();
        report.Print(text);
        Assert.True(report.Holds, $"{text}\nLogs: {folder.FullName}");
        Assert.True(report.StaleTried > 0, text.ToString());
        folder.Delete(recursive: true);
    }
}
