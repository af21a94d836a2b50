using System.CommandLine;
using Loire.Cli.Http;
using Loire.Cli.Terminal;

namespace Loire.Cli.Chat;

/// <summary><c>loire chat</c>: a conversation in the terminal.</summary>
internal static class ChatCommand
{
    public static Command Create()
    {
        var address = CommonOptions.Url("Address of the server.", "http://localhost:8080");
        var key = CommonOptions.ApiKey();
        var session = new Option<string>("--session") { Description = "Session to go on with, or to begin.", HelpName = "NAME", DefaultValueFactory = _ => "terminal" };
        var temperature = new Option<double>("--temperature") { Description = "0 always takes the most likely token.", HelpName = "T", DefaultValueFactory = _ => 0 };
        var command = new Command("chat", "Talks to a running server; /help lists what else can be typed.") { address, key, session, temperature };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var client = new ServerClient(arguments.GetValue(address)!, arguments.GetValue(key));
            if (!await client.IsReadyAsync(cancellationToken))
            {
                throw new CommandFailedException($"No server answers at {arguments.GetValue(address)}. Start one with ops/run, or name another by --url.");
            }

            await new ChatTerminal(client, arguments.GetValue(session)!, arguments.GetValue(temperature)).RunAsync(cancellationToken);
            return 0;
        });
        return command;
    }
}
