using System.CommandLine;
using System.Text.Json;
using Loire.Cli.Http;
using Loire.Cli.Serve;
using Loire.Cli.Terminal;

namespace Loire.Cli.Recall;

/// <summary><c>loire recall</c>: does the model, served, remember what it was told?</summary>
internal static class RecallCommand
{
    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true };

    public static Command Create()
    {
        var model = CommonOptions.Model();
        var stages = CommonOptions.Stages();
        var shards = CommonOptions.Shards();
        var json = CommonOptions.Json();
        var file = new Option<string?>("--file") { Description = "Conversations with the expected answers. Default: recall.json of the model folder.", HelpName = "FILE" };
        var hibernate = new Option<bool>("--hibernate") { Description = "Release every session's slot after every turn; the next turn begins from the store." };
        var own = new Option<bool>("--own") { Description = "The history has the model's own answers, not the expected ones." };
        var address = CommonOptions.Url("A running server. Default: one is started on a free port, with a data directory of its own.");
        var key = CommonOptions.ApiKey();
        var parallel = CommonOptions.Count("--parallel", "Conversations at once.", 8);
        var command = new Command("recall", "Scores a file of conversations through the HTTP API; exit code 1 below the bars.")
        {
            model, file, hibernate, own, address, key, parallel, stages, shards, json,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var folder = arguments.GetValue(address) is null || arguments.GetValue(file) is null ? CommonOptions.ModelFolderOf(arguments.GetValue(model)) : "";
            var conversations = RecallFile.Read(arguments.GetValue(file) ?? Path.Combine(folder, "recall.json"));
            var settings = new RecallSettings(arguments.GetValue(own), arguments.GetValue(hibernate), arguments.GetValue(parallel));
            if (arguments.GetValue(address) is { } running)
            {
                return await RunAsync(running, arguments.GetValue(key), conversations, settings, arguments.GetValue(json), cancellationToken);
            }

            await using var server = await TemporaryServer.StartAsync(folder, arguments.GetValue(stages), arguments.GetValue(shards), cancellationToken);
            return await RunAsync(server.Address, null, conversations, settings, arguments.GetValue(json), cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        Uri address, string? key, IReadOnlyList<RecallConversation> conversations, RecallSettings settings, string? json, CancellationToken cancellationToken)
    {
        using var client = new ServerClient(address, key);
        using var progress = new ProgressBar("recalling");
        var report = await new RecallRun(client, settings).RunAsync(conversations, progress, cancellationToken);
        progress.Dispose();
        report.Print(Console.Out);
        if (json is not null)
        {
            await File.WriteAllTextAsync(json, JsonSerializer.Serialize(report, Readable), cancellationToken);
        }

        return report.BarsHold ? 0 : 1;
    }
}
