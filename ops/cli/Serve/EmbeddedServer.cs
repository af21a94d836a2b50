using Loire.Cli.Terminal;

namespace Loire.Cli.Serve;

/// <summary>Gateway and silo in this process.</summary>
internal sealed class EmbeddedServer : IAsyncDisposable
{
    private EmbeddedServer(Uri address) => Address = address;

    /// <summary>Where it listens: the port is the one that was taken.</summary>
    public Uri Address { get; }

    public static Task<EmbeddedServer> StartAsync(ServeSettings settings, CancellationToken cancellationToken) =>
        throw new CommandFailedException($"There is no server yet for {settings.ModelFolder}.");

    /// <summary>Serves until <paramref name="stopped"/>, then lets running turns be stored.</summary>
    public Task RunAsync(CancellationToken stopped) => throw new CommandFailedException($"{Address} is not served yet.");

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
