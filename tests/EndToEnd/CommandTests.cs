using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Loire.EndToEnd.Tests.Running;
using Loire.Engine.Weights;

namespace Loire.EndToEnd.Tests;

/// <summary>The command line: what it writes, and what it says when it cannot.</summary>
public sealed class CommandTests
{
    [Theory]
    [InlineData("--help")]
    [InlineData("serve", "--help")]
    [InlineData("chat", "--help")]
    [InlineData("verify", "--help")]
    [InlineData("logits", "--help")]
    [InlineData("recall", "--help")]
    [InlineData("bench", "cpu", "--help")]
    public async Task Help_is_everywhere(params string[] arguments)
    {
        var result = await CommandProcess.RunAsync(arguments);

        Assert.Equal(0, result.ExitCode);
        Assert.Contains("Usage:", result.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, "no-such-folder", "verify", "--model", "no-such-folder")]
    [InlineData(2, "no-such-folder", "serve", "--model", "no-such-folder")]
    [InlineData(2, "99999", "serve", "--port", "99999")]
    [InlineData(2, "0", "serve", "--stages", "0")]
    [InlineData(2, "9999999", "logits", "--ids", "1,9999999", "--out", "never.safetensors")]
    [InlineData(2, "nowhere", "chat", "--url", "nowhere")]
    [InlineData(1, "http://localhost:1", "chat", "--url", "http://localhost:1")]
    [InlineData(2, "no-such-file", "recall", "--file", "no-such-file")]
    [InlineData(1, "/proc/nowhere", "serve", "--port", "0", "--data", "/proc/nowhere")]
    [InlineData(1, "no-such-folder/out", "logits", "--ids", "1", "--out", "no-such-folder/out")]
    public async Task What_was_asked_wrongly_is_answered_without_a_stack_trace(int exitCode, string named, params string[] arguments)
    {
        var result = await CommandProcess.RunAsync(arguments);

        Assert.True(exitCode == result.ExitCode, result.ToString());
        Assert.Contains(named, result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_in_use_is_named()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        using var data = new TemporaryFolder();

        var result = await CommandProcess.RunAsync("serve", "--port", $"{port}", "--data", data.Path);

        Assert.Equal(1, result.ExitCode);
        Assert.Contains($"{port}", result.Error, StringComparison.Ordinal);
        Assert.Contains("--port", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Error + result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_folder_without_a_tokenizer_is_told_so()
    {
        using var folder = new TemporaryFolder();
        foreach (var file in Directory.GetFiles(Demo.Model).Where(file => Path.GetFileName(file) is "config.json" or "model.safetensors"))
        {
            File.CreateSymbolicLink(folder.File(Path.GetFileName(file)), file);
        }

        var result = await CommandProcess.RunAsync("serve", "--port", "0", "--model", folder.Path, "--data", folder.File("data"));

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("tokenizer.json", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("listened", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Logits_are_the_same_whole_and_in_pieces()
    {
        using var folder = new TemporaryFolder();
        var ids = string.Join(',', Enumerable.Range(0, 150).Select(number => number * 37 % 4096));

        await CommandProcess.RunAsync("logits", "--ids", ids, "--out", folder.File("whole"));
        await CommandProcess.RunAsync("logits", "--ids", ids, "--pieces", "64,1,7", "--out", folder.File("pieces"));

        using var whole = SafetensorsFile.Open(folder.File("whole"));
        using var pieces = SafetensorsFile.Open(folder.File("pieces"));
        Assert.Equal([150L, 4096L], whole.Get("logits").Shape.ToArray());
        var (a, b) = (whole.Get("logits").ToSingleArray(), pieces.Get("logits").ToSingleArray());
        var error = Math.Sqrt(a.Zip(b, (x, y) => Math.Pow(x - y, 2)).Sum() / a.Sum(x => Math.Pow(x, 2)));
        Assert.InRange(error, 0, 1e-5);
    }

    [Fact]
    public async Task Recall_gives_identical_answers_when_every_session_is_hibernated_between_turns()
    {
        using var folder = new TemporaryFolder();
        using var all = JsonDocument.Parse(await File.ReadAllBytesAsync(Path.Combine(Demo.Model, "recall.json")));
        var few = all.RootElement.EnumerateArray().Where(conversation => conversation.GetProperty("turns").GetInt32() < 40).Take(6);
        await File.WriteAllTextAsync(folder.File("few.json"), JsonSerializer.Serialize(few));

        var plain = await CommandProcess.RunAsync("recall", "--file", folder.File("few.json"), "--json", folder.File("plain.json"));
        var hibernated = await CommandProcess.RunAsync("recall", "--file", folder.File("few.json"), "--hibernate", "--json", folder.File("hibernated.json"));

        Assert.True(plain.ExitCode == 0, plain.ToString());
        Assert.True(hibernated.ExitCode == 0, hibernated.ToString());
        Assert.Equal(Answers("plain.json"), Answers("hibernated.json"));

        string Answers(string name) => JsonElement.Parse(File.ReadAllText(folder.File(name))).GetProperty("answers").GetRawText();
    }
}
