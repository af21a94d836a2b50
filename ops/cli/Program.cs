using System.CommandLine;
using Loire.Cli.Bench;
using Loire.Cli.Chaos;
using Loire.Cli.Chat;
using Loire.Cli.Cluster;
using Loire.Cli.Logits;
using Loire.Cli.Recall;
using Loire.Cli.Serve;
using Loire.Cli.Soak;
using Loire.Cli.Terminal;
using Loire.Cli.Verify;

var root = new RootCommand("Loire serves language models whose conversations are named, durable objects.")
{
    ServeCommand.Create(),
    SiloCommand.Create(),
    GatewayCommand.Create(),
    ClusterCommand.Create(),
    ChaosCommand.Create(),
    SoakCommand.Create(),
    ChatCommand.Create(),
    VerifyCommand.Create(),
    LogitsCommand.Create(),
    RecallCommand.Create(),
    BenchCommand.Create(),
};

return await CommandLine.RunAsync(root, args);
