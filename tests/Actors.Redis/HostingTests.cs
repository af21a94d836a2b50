using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Runtime;

namespace Loire.Actors.Redis.Tests;

/// <summary>Whole silos and a whole client.</summary>
public sealed class HostingTests : IDisposable
{
    private readonly RedisProcess _redis = new();

    [RedisFact]
    public async Task Silos_and_a_client_find_each_other_and_calls_go_through()
    {
        using var first = await StartSiloAsync("first");
        using var second = await StartSiloAsync("second");
        using var client = await StartClientAsync();
        var management = client.Services.GetRequiredService<IGrainFactory>().GetGrain<IManagementGrain>(0);

        Assert.Equal([SiloStatus.Active, SiloStatus.Active], (await management.GetHosts()).Values);

        await second.StopAsync();
        Assert.Equal([AddressOf(first)], (await management.GetHosts(onlyActive: true)).Keys);
        await first.StopAsync();
        await client.StopAsync();
    }

    [RedisFact]
    public async Task A_silo_that_loses_its_lease_sees_itself_dead_and_its_process_stops()
    {
        using var silo = await StartSiloAsync("only", isFast: true);
        var stopping = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        silo.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(stopping.SetResult);

        _redis.Freeze();
        await stopping.Task.WaitAsync(TimeSpan.FromSeconds(10));

        Assert.False(silo.Services.GetRequiredService<IClusterLease>().IsHeld);
        Assert.Equal(SiloStatus.Dead, silo.Services.GetRequiredService<IClusterMembershipService>().CurrentSnapshot.GetSiloStatus(AddressOf(silo)));
        _redis.Thaw();
        await silo.StopAsync();
    }

    [Fact]
    public void A_connection_string_that_names_no_Redis_is_refused_without_its_password()
    {
        var refusal = Assert.Throws<OrleansConfigurationException>(() => RedisConnection.From("password=secret"));

        Assert.Contains("host:port", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Leases_that_cannot_work_are_refused_by_name()
    {
        var options = new RedisLeaseOptions { RenewInterval = TimeSpan.FromSeconds(2) };

        Assert.Contains(nameof(RedisLeaseOptions.RenewInterval), Assert.Throws<OrleansConfigurationException>(options.Validate).Message, StringComparison.Ordinal);
    }

    public void Dispose() => _redis.Dispose();

    private static SiloAddress AddressOf(IHost silo) => silo.Services.GetRequiredService<ILocalSiloDetails>().SiloAddress;

    private async Task<IHost> StartSiloAsync(string name, bool isFast = false)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.AddProvider(new RecordingLog());
        builder.UseOrleans(silo => silo
            .ConfigureEndpoints(System.Net.IPAddress.Loopback, RedisProcess.FreePort(), RedisProcess.FreePort())
            .Configure<SiloOptions>(options => options.SiloName = name)
            .Configure<RedisLeaseOptions>(isFast ? TestMember.Fast : TestMember.Patient)
            .UseRedisClustering(_redis.Address));
        var host = builder.Build();
        await host.StartAsync();
        return host;
    }

    private async Task<IHost> StartClientAsync()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.UseOrleansClient(client => client.UseRedisClustering(_redis.Address));
        var host = builder.Build();
        await host.StartAsync();
        return host;
    }
}
