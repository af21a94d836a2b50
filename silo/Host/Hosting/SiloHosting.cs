using Loire.Silo.Cluster;
using Loire.Silo.Links;
using Loire.Silo.Models;
using Loire.Silo.Operations;
using Loire.Silo.Placement;
using Loire.Silo.Replicas;
using Loire.Silo.Sessions;
using Loire.Silo.Transfers;
using Loire.Store;
using Loire.Telemetry;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Hosting;
using Orleans.Runtime;
using Orleans.Runtime.MembershipService.SiloMetadata;

namespace Loire.Silo;

/// <summary>Makes a process a silo that serves models.</summary>
public static class SiloHosting
{
    /// <summary>Adds store, engine, grains, and what loads, sweeps and drains them. One silo a process.</summary>
    /// <exception cref="System.ComponentModel.DataAnnotations.ValidationException">A setting is wrong; names it.</exception>
    /// <param name="builder">The process.</param>
    /// <param name="options">Of the silo.</param>
    /// <param name="clustering">How the silo finds others. Null: it is alone.</param>
    public static IHostApplicationBuilder AddLoireSilo(this IHostApplicationBuilder builder, SiloOptions options, Action<ISiloBuilder>? clustering = null)
    {
        var services = builder.Services;
        services.AddSingleton<SiloReadiness>();
        services.AddHostedService(provider => provider.GetRequiredService<SiloReadiness>());
        if (options.IsClustered)
        {
            services.AddHostedService<ReplicaPreloader>(); // before the actor runtime: a silo joins when it can serve
        }

        builder.UseOrleans(silo =>
        {
            (clustering ?? SiloRuntime.StandAlone)(silo);
            SiloRuntime.Equip(silo);
            silo.AddPlacementDirector<PinnedPlacement, PinnedPlacementDirector>();
            silo.AddPlacementDirector<SessionPlacement, SessionPlacementDirector>();
            silo.UseSiloMetadata(MetadataOf(options)); // also when it is empty: placement reads that of every silo
        });
        services.AddSingleton(options.Validated());
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<LoireMetrics>();
        services.TryAddSingleton(_ => ModelCatalog.Open(options.ModelFolders));
        services.TryAddSingleton(provider => new GpuPlans(options, provider.GetRequiredService<ILogger<GpuPlans>>()));
        services.TryAddSingleton<IReplicaEngineFactory>(provider => options.Cuda is null ? new CpuEngineFactory() : new CudaEngineFactory(provider.GetRequiredService<GpuPlans>()));
        services.TryAddSingleton<ICheckpointStore>(provider => new DirectoryStore(
            options.Store, provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<DirectoryStore>>()));
        services.AddSingleton(provider => TensorLinks.Open(provider.GetRequiredService<ILocalSiloDetails>().SiloAddress, options));
        services.AddSingleton<ReplicaHost>();
        services.AddSingleton<PartLoader>();
        services.AddSingleton<StateTransfers>();
        services.AddSingleton<LentShards>();
        services.AddSingleton(_ => new TurnDrain(options.IsClustered));
        services.AddSingleton<SiloSessions>();
        services.AddSingleton<SiloNames>();
        services.AddSingleton<ClusterLoadTable>();
        services.AddSingleton<SessionPlacementDirector>();
        // After the actor runtime, so that they start after it and stop before it.
        services.AddHostedService<ReplicaStarter>();
        services.AddHostedService<StoreSweeper>();
        services.AddHostedService<LoadExchange>();
        services.AddHostedService<TurnDrainer>();
        return builder;
    }

    private static Dictionary<string, string> MetadataOf(SiloOptions options) =>
        options.LendsOnly ? new() { [SessionPlacementDirector.LendsOnly] = "true" } : [];
}
