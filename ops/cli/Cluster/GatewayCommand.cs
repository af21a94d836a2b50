using System.CommandLine;
using System.Net;
using Loire.Cli.Serve;
using Loire.Cli.Terminal;
using Loire.Gateway;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Hosting;

namespace Loire.Cli.Cluster;

/// <summary><c>loire gateway</c>: speaks HTTP to applications for a cluster of silos.</summary>
internal static class GatewayCommand
{
    public static Command Create()
    {
        var cluster = new ClusterOptionSet();
        var port = new Option<int>("--port") { Description = "Port to listen on.", HelpName = "PORT", DefaultValueFactory = _ => 8080 };
        var host = new Option<string>("--host") { Description = "Address to listen on; 0.0.0.0 lets other machines in.", HelpName = "ADDRESS", DefaultValueFactory = _ => "localhost" };
        var keys = new Option<string[]>("--api-key") { Description = $"Key that clients must send; may be given several times. Default: those of {ServeCommand.KeysVariable}, separated by commas.", HelpName = "KEY" };
        var operators = new Option<string[]>("--operator-key") { Description = "Key that may also drain silos; may be given several times.", HelpName = "KEY" };
        var names = new Option<string[]>("--allow-host") { Description = "Name by which clients call this gateway; may be given several times. Default: any.", HelpName = "NAME" };
        var verbose = new Option<bool>("--verbose") { Description = "Log what happens, and not only what goes wrong." };
        var command = new Command("gateway", "Serves the API and the chat page for a cluster of silos.") { port, host, keys, operators, names, verbose };
        cluster.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var operatorKeys = arguments.GetValue(operators) ?? [];
            var apiKeys = arguments.GetValue(keys) is { Length: > 0 } given ? given : ServeCommand.KeysOfEnvironment();
            var options = new GatewayOptions
            {
                ApiKeys = [.. apiKeys, .. operatorKeys],
                OperatorKeys = operatorKeys,
                AllowedHosts = arguments.GetValue(names) ?? [],
            };
            await using var app = Build(cluster.Read(arguments), options, arguments.GetValue(host)!, arguments.GetValue(port), arguments.GetValue(verbose));
            await ProcessHost.RunAsync(app, $"gateway on port {arguments.GetValue(port)}", cancellationToken);
            return 0;
        });
        return command;
    }

    private static WebApplication Build(ClusterSettings cluster, GatewayOptions options, string host, int port, bool verbose)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        ProcessHost.Log(builder.Logging, verbose);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            if (host == "localhost")
            {
                kestrel.ListenLocalhost(port);
                return;
            }

            kestrel.Listen(IPAddress.TryParse(host, out var address) ? address
                : throw new CommandFailedException($"--host is '{host}'; an IP address is expected, such as 0.0.0.0, or localhost.", exitCode: 2), port);
        });
        ((IHostApplicationBuilder)builder).UseOrleansClient(cluster.Configure);
        builder.AddLoireGateway(options);
        var app = builder.Build();
        app.MapLoireGateway();
        return app;
    }
}
