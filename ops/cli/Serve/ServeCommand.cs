using System.CommandLine;
using Loire.Cli.Terminal;
using Loire.Engine.Replica;
using Loire.Kernels;

namespace Loire.Cli.Serve;

/// <summary><c>loire serve</c>: gateway and silo in one process, until a signal ends it.</summary>
internal static class ServeCommand
{
    private const int DefaultPort = 8080;
    public const string KeysVariable = "LOIRE_API_KEYS";

    public static Command Create()
    {
        var port = new Option<int>("--port") { Description = "Port to listen on; 0 takes a free one.", HelpName = "PORT", DefaultValueFactory = _ => DefaultPort };
        port.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && int.TryParse(result.Tokens[0].Value, out var number) && number is < 0 or > ushort.MaxValue)
            {
                result.AddError($"--port is {number}; 0 to {ushort.MaxValue} is allowed.");
            }
        });
        var host = new Option<string>("--host") { Description = "Address to listen on; 0.0.0.0 lets other machines in.", HelpName = "ADDRESS", DefaultValueFactory = _ => "localhost" };
        var data = new Option<string?>("--data") { Description = "Directory of sessions and checkpoints, made when it is not there. Default: data in the repository.", HelpName = "DIR" };
        var keys = new Option<string[]>("--api-key") { Description = $"Key that clients must send; may be given several times. Default: those of {KeysVariable}, separated by commas.", HelpName = "KEY" };
        var names = new Option<string[]>("--allow-host") { Description = "Name by which clients call this server, where it is not its address; may be given several times.", HelpName = "NAME" };
        var model = CommonOptions.Model();
        var stages = CommonOptions.Stages();
        var shards = CommonOptions.Shards();
        var device = DeviceChoice.Option("auto");
        var experts = DeviceChoice.ExpertTypeOption();
        var threads = new Option<int>("--threads") { Description = "Threads that compute; 0 takes one a core.", HelpName = "N" };
        var verbose = new Option<bool>("--verbose") { Description = "Log what happens, and not only what goes wrong." };
        var command = new Command("serve", "Serves the API and the chat page, with the model in the same process.") { port, host, keys, names, data, model, stages, shards, device, experts, threads, verbose };
        command.SetAction((arguments, cancellationToken) => RunAsync(
            new ServeSettings
            {
                Port = arguments.GetValue(port),
                Host = arguments.GetValue(host)!,
                ApiKeys = arguments.GetValue(keys) is { Length: > 0 } given ? given : KeysOfEnvironment(),
                AllowedHosts = arguments.GetValue(names) ?? [],
                DataDirectory = Path.GetFullPath(arguments.GetValue(data) ?? Places.Data),
                ModelFolder = CommonOptions.ModelFolderOf(arguments.GetValue(model)),
                Stages = arguments.GetValue(stages),
                Shards = arguments.GetValue(shards),
                Cuda = CudaOf(arguments.GetValue(device), DeviceChoice.ExpertTypeOf(arguments.GetValue(experts)!), arguments.GetValue(stages), arguments.GetValue(shards)),
                Threads = arguments.GetValue(threads),
                Verbose = arguments.GetValue(verbose),
            },
            cancellationToken));
        return command;
    }

    /// <summary>A replica that is cut into parts runs on the CPU, unless GPUs are asked for.</summary>
    private static CudaOptions? CudaOf(DeviceChoice device, WeightType experts, int stages, int shards) =>
        device.IsDemanded || (stages == 1 && shards == 1) ? device.Resolve(ElementType.BFloat16, Console.Error.WriteLine, experts) : null;

    public static string[] KeysOfEnvironment() =>
        Environment.GetEnvironmentVariable(KeysVariable)?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];

    private static async Task<int> RunAsync(ServeSettings settings, CancellationToken stopped)
    {
        DataDirectory.Check(settings.DataDirectory);
        await using var server = await EmbeddedServer.StartAsync(settings, stopped);
        Console.WriteLine(Banner.Of(settings, server));
        await server.RunAsync(stopped);
        return 0;
    }
}
