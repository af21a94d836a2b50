using System.Text;

namespace Loire.Cli.Serve;

/// <summary>What the terminal shows once the server answers.</summary>
internal static class Banner
{
    public static string Of(ServeSettings settings, EmbeddedServer server)
    {
        var address = server.Address.ToString().TrimEnd('/');
        var key = settings.ApiKeys.Count > 0 ? " -H \"authorization: Bearer $KEY\"" : "";
        var open = !settings.IsLocal && settings.ApiKeys.Count == 0 ? "  Anybody who reaches this address can use it: ask for a key by --api-key." + Environment.NewLine + Environment.NewLine : "";
        return new StringBuilder()
            .AppendLine()
            .AppendLine($"  Loire       {address}")
            .AppendLine($"  model       {Path.GetFileName(settings.ModelFolder)}{(settings.Cuda is null ? $"  ({settings.Stages} x {settings.Shards}, stages x shards)" : "")}")
            .AppendJoin("", Lines("GPUs", server.Placement))
            .AppendLine($"  data        {settings.DataDirectory}")
            .AppendLine()
            .AppendLine("  Try this:   open the address in a browser, or")
            .AppendLine($"    curl -N {address}/v1/chat/completions -H 'content-type: application/json'{key} \\")
            .AppendLine("""      -d '{"session_id": "me", "stream": true, "messages": [{"role": "user", "content": "My sister is called Greta."}]}'""")
            .AppendLine("  then stop the server, start it again, and ask: What is my sister called?")
            .AppendLine()
            .Append(open)
            .Append("  Ctrl-C stops it.")
            .ToString();
    }

    /// <summary>The first with its name, those after it below.</summary>
    private static IEnumerable<string> Lines(string name, string? text) =>
        text?.Split(Environment.NewLine).Select((line, i) => $"  {(i == 0 ? name : ""),-11} {line}{Environment.NewLine}") ?? [];
}
