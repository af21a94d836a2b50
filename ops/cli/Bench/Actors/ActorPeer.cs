using System.Diagnostics;
using Loire.Cli.Terminal;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime;

namespace Loire.Cli.Bench.Actors;

/// <summary>The other silo, in a process of its own: says its address and the port of the floor, is told the first one's address, and runs until its input ends.</summary>
internal sealed class ActorPeer : IDisposable
{
    public const string Command = "actors-peer";

    private readonly Process _process;

    private ActorPeer(Process process, SiloAddress address, int port) => (_process, Address, Port) = (process, address, port);

    public SiloAddress Address { get; }

    /// <summary>Where <see cref="PingPong"/> listens.</summary>
    public int Port { get; }

    public static async Task<ActorPeer> StartAsync(SiloAddress first, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardInput = true, RedirectStandardOutput = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "loire.dll"));
        start.ArgumentList.Add("bench");
        start.ArgumentList.Add(Command);
        var process = Process.Start(start) ?? throw new CommandFailedException("The other silo's process did not start.");
        var said = await process.StandardOutput.ReadLineAsync(cancellationToken) ?? throw new CommandFailedException("The other silo's process ended before it said its address.");
        await process.StandardInput.WriteLineAsync(first.ToParsableString());
        await process.StandardInput.FlushAsync(cancellationToken);
        var parts = said.Split(' ');
        return new ActorPeer(process, SiloAddress.FromParsableString(parts[0]), int.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>What the other process does.</summary>
    public static async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        using var host = await TwoSilos.StartSiloAsync(cancellationToken);
        var port = PingPong.Listen(cancellationToken);
        Console.WriteLine($"{host.Services.GetRequiredService<ILocalSiloDetails>().SiloAddress.ToParsableString()} {port}");
        if (await Console.In.ReadLineAsync(cancellationToken) is { } first)
        {
            host.Services.GetRequiredService<TwoSilos>().Meet(SiloAddress.FromParsableString(first));
            while (await Console.In.ReadLineAsync(cancellationToken) is not null)
            {
                // The end of the input is the end of the process that started this one.
            }
        }

        return 0;
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        if (!_process.WaitForExit(TimeSpan.FromSeconds(5)))
        {
            _process.Kill();
        }

        _process.Dispose();
    }
}
