using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Runtime.CompilerServices;
using Loire.Cli.Terminal;
using Loire.Contracts;
using Loire.Cuda;
using Loire.Engine.Replica;
using Loire.Gateway;
using Loire.Silo;
using Loire.Silo.Models;
using Loire.Silo.Placement;
using Loire.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Runtime;

namespace Loire.Cli.Serve;

/// <summary>Gateway and silo in this process.</summary>
internal sealed class EmbeddedServer : IAsyncDisposable
{
    // Who presses Ctrl-C waits no longer for turns that still run; what they have delivered is kept.
    private static readonly TimeSpan DrainTimeout = TimeSpan.FromSeconds(3);

    private readonly WebApplication _app;

    private EmbeddedServer(WebApplication app)
    {
        _app = app;
        var addresses = app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>();
        Address = new Uri(addresses.Addresses.First().Replace("0.0.0.0", "localhost", StringComparison.Ordinal).Replace("[::]", "localhost", StringComparison.Ordinal));
    }

    /// <summary>Where it listens: the port is the one that was taken.</summary>
    public Uri Address { get; }

    /// <summary>Which layers are on which GPUs, a line a stage; null: the CPU computes.</summary>
    public string? Placement => _app.Services.GetRequiredService<GpuPlans>().Describe(_app.Services.GetRequiredService<ModelCatalog>().Default);

    /// <summary>Starts, and returns when the model is loaded and turns can run.</summary>
    /// <exception cref="CommandFailedException">It cannot be served, for a reason that the message names.</exception>
    public static async Task<EmbeddedServer> StartAsync(ServeSettings settings, CancellationToken cancellationToken)
    {
        using var progress = new ProgressBar("loading");
        var hasFailed = new StrongBox<bool>();
        WebApplication? app = null;
        try
        {
            app = Build(settings, progress, hasFailed);
            app.Services.GetRequiredService<ReadinessGate>().Close("The server is warming up.");
            await app.StartAsync(cancellationToken);
            await LoadAsync(app, cancellationToken);
            var server = new EmbeddedServer(app);
            await WarmUp.RunAsync(server.Address, settings.ApiKeys is [var first, ..] ? first : null, cancellationToken);
            app.Services.GetRequiredService<ReadinessGate>().Open();
            return server;
        }
        catch (Exception exception)
        {
            hasFailed.Value = true;
            if (app is not null)
            {
                await EndAsync(app);
            }

            if (Explain(exception, settings) is { } explanation)
            {
                throw new CommandFailedException(explanation, inner: exception);
            }

            throw;
        }
    }

    /// <summary>Serves until <paramref name="stopped"/>, then lets running turns be stored.</summary>
    public Task RunAsync(CancellationToken stopped) => _app.WaitForShutdownAsync(stopped);

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    /// <summary>After a start that failed, which is what is to be told, and not what it left half begun.</summary>
    private static async Task EndAsync(WebApplication app)
    {
        try
        {
            await app.DisposeAsync();
        }
        catch (ObjectDisposedException)
        {
            // Something began while its services went. The process ends.
        }
    }

    private static WebApplication Build(ServeSettings settings, ProgressBar progress, StrongBox<bool> hasFailed)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Logging.ClearProviders().AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.TimestampFormat = "HH:mm:ss ";
        });
        var least = settings.Verbose ? LogLevel.Information : LogLevel.Warning;
        builder.Logging.SetMinimumLevel(least);
        // A start that fails is explained once, here, and not by what is then interrupted.
        builder.Logging.AddFilter(level => level >= least && !hasFailed.Value);
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting", level => level >= LogLevel.Critical && !hasFailed.Value);
        builder.WebHost.ConfigureKestrel(kestrel => Listen(kestrel, settings));
        builder.AddLoireSilo(new SiloOptions
        {
            ModelFolders = [settings.ModelFolder],
            DataDirectory = settings.DataDirectory,
            Stages = settings.Stages,
            ExpertShards = settings.Shards,
            Engine = EngineOf(settings),
            Cuda = settings.Cuda,
            DrainTimeout = DrainTimeout,
            LoadProgress = new LoadBar(progress),
        });
        builder.AddLoireGateway(new GatewayOptions { ApiKeys = settings.ApiKeys, AllowedHosts = AllowedHosts(settings) });
        var app = builder.Build();
        app.MapLoireGateway();
        return app;
    }

    /// <summary>A GPU takes larger steps than a CPU for the same pause between two tokens.</summary>
    private static EngineOptions EngineOf(ServeSettings settings) => settings.Cuda is null
        ? new EngineOptions { Threads = settings.Threads }
        : new EngineOptions { Threads = settings.Threads, MaxTokensPerStep = 2048, MaxPromptTokensBesideDecode = 512 };

    private static string[] AllowedHosts(ServeSettings settings) =>
        settings.IsLocal || settings.AllowedHosts.Count > 0 ? ["localhost", "127.0.0.1", "[::1]", settings.Host, .. settings.AllowedHosts] : [];

    private static void Listen(KestrelServerOptions kestrel, ServeSettings settings)
    {
        switch (settings.Host)
        {
            case "localhost" when settings.Port != 0:
                kestrel.ListenLocalhost(settings.Port); // both families
                break;
            case "localhost":
                kestrel.Listen(IPAddress.Loopback, 0);
                break;
            default:
                kestrel.Listen(
                    IPAddress.TryParse(settings.Host, out var address)
                        ? address
                        : throw new CommandFailedException($"--host is '{settings.Host}'; an IP address is expected, such as 0.0.0.0, or localhost.", exitCode: 2),
                    settings.Port);
                break;
        }
    }

    private static async Task LoadAsync(WebApplication app, CancellationToken cancellationToken)
    {
        var grains = app.Services.GetRequiredService<IGrainFactory>();
        var models = await grains.GetGrain<IClusterGrain>(IClusterGrain.Key).GetModelsAsync();
        await grains.GetGrain<IReplicaGrain>(new ReplicaKey(models[0].Id, app.Services.GetRequiredService<ILocalSiloDetails>().Name).ToString()).LoadAsync().WaitAsync(cancellationToken);
    }

    private static string? Explain(Exception exception, ServeSettings settings) => exception switch
    {
        IOException { InnerException: AddressInUseException } =>
            $"Port {settings.Port} is in use. Stop what listens there, or choose another by --port.",
        FileNotFoundException or DirectoryNotFoundException => $"{exception.Message} A model folder has config.json, safetensors files and tokenizer.json.",
        IOException => $"Address {settings.Host}, port {settings.Port}, cannot be listened on: {exception.Message}",
        StoreInUseException or StoreException or ClusterException or ValidationException or CudaException or CudaMissingException or KernelCompileException => exception.Message,
        _ => null,
    };

    private sealed class LoadBar(ProgressBar bar) : IProgress<LoadStep>
    {
        public void Report(LoadStep value) => bar.Report(value.Fraction);
    }
}
