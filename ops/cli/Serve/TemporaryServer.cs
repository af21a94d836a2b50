namespace Loire.Cli.Serve;

/// <summary>An embedded server on a free port, whose data directory goes with it.</summary>
internal sealed class TemporaryServer : IAsyncDisposable
{
    private readonly DirectoryInfo _data;
    private readonly EmbeddedServer _server;

    private TemporaryServer(DirectoryInfo data, EmbeddedServer server)
    {
        _data = data;
        _server = server;
    }

    public Uri Address => _server.Address;

    public static async Task<TemporaryServer> StartAsync(string modelFolder, int stages, int shards, CancellationToken cancellationToken)
    {
        var data = Directory.CreateTempSubdirectory("loire-");
        try
        {
            var settings = new ServeSettings { Port = 0, DataDirectory = data.FullName, ModelFolder = modelFolder, Stages = stages, Shards = shards };
            return new TemporaryServer(data, await EmbeddedServer.StartAsync(settings, cancellationToken));
        }
        catch
        {
            data.Delete(recursive: true);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _data.Delete(recursive: true);
    }
}
