using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans;
using Orleans.Hosting;
using Orleans.Runtime;
using Orleans.Runtime.MembershipService.SiloMetadata;
using Orleans.Runtime.Placement;
using Orleans.Storage;

namespace Loire.Actors.Tests;

public sealed class SiloTests
{
    [Fact]
    public async Task Filters_run_in_order_around_the_method_and_can_change_what_they_see()
    {
        var order = new List<string>();
        await using var silo = await TestSilo.StartAsync(builder => builder
            .AddIncomingGrainCallFilter(async context =>
            {
                order.Add($"first {context.MethodName}");
                await context.Invoke();
                order.Add($"first got {context.Result}");
            })
            .AddIncomingGrainCallFilter(async context =>
            {
                order.Add($"second {context.InterfaceMethod.Name} {context.ImplementationMethod.DeclaringType!.Name} {context.TargetId} {context.Request.GetArgument(0)}");
                context.Request.SetArgument(0, 40);
                await context.Invoke();
                context.Result = (int)context.Result! + 100;
            }));

        Assert.Equal(142, await silo.Grain<ICallGrain>().Add(1, 2));

        Assert.Equal(["first Add", "second Add CallGrain call/one 1", "first got 142"], order);
    }

    [Fact]
    public async Task A_filter_that_throws_fails_the_call()
    {
        await using var silo = await TestSilo.StartAsync(builder => builder.AddIncomingGrainCallFilter(_ => throw new UnauthorizedAccessException("not you")));

        await Assert.ThrowsAsync<UnauthorizedAccessException>(() => silo.Grain<ICallGrain>().Add(1, 2));
    }

    [Fact]
    public async Task Stored_state_outlives_the_activation_and_unwritten_changes_do_not()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<INotebookGrain>();
        await grain.Add("written", write: true);
        await grain.Add("lost", write: false);
        await grain.End();

        Assert.Equal(["written"], await grain.Lines());
        await grain.Clear();
        await grain.End();

        Assert.Empty(await grain.Lines());
    }

    [Fact]
    public async Task State_in_memory_moves_with_the_grain()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<INotebookGrain>();
        await grain.Add("not written", write: false);

        await grain.Move();

        Assert.Equal(["not written"], await grain.Lines());
        await grain.Add("written", write: true);
    }

    [Fact]
    public async Task A_write_over_somebody_elses_is_refused()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<INotebookGrain>();
        await grain.Add("a", write: true);

        var exception = await Assert.ThrowsAsync<InconsistentStateException>(() => grain.Conflict());

        Assert.Contains("notebook/one", exception.Message);
        await grain.Add("b", write: true);
    }

    [Fact]
    public async Task A_grain_calls_an_observer_until_its_reference_is_deleted()
    {
        await using var silo = await TestSilo.StartAsync();
        var watcher = new Watcher();
        var reference = silo.Client.CreateObjectReference<IWatcher>(watcher);
        var grain = silo.Grain<IWatchedGrain>();

        Assert.Equal(8, await grain.TellAndAsk(reference, "hello", 4));
        Assert.Equal("hello", watcher.Seen);
        silo.Client.DeleteObjectReference<IWatcher>(watcher);

        await Assert.ThrowsAsync<ClientNotAvailableException>(() => grain.TellAndAsk(reference, "again", 4));
        Assert.Throws<ArgumentException>(() => silo.Client.DeleteObjectReference<IWatcher>(watcher));
    }

    [Fact]
    public async Task An_observer_that_nobody_holds_is_forgotten()
    {
        await using var silo = await TestSilo.StartAsync();
        var reference = Forgotten(silo.Client);

        for (var attempt = 0; attempt < 50 && silo.Runtime.Observers.Count > 0; attempt++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.Equal(0, silo.Runtime.Observers.Count);
        await Assert.ThrowsAsync<ClientNotAvailableException>(() => reference.Ask(1));
    }

    [Fact]
    public async Task A_director_of_the_applications_own_places_its_grains()
    {
        await using var silo = await TestSilo.StartAsync(builder => builder
            .AddPlacementDirector<FirstSiloPlacement, FirstSiloDirector>()
            .UseSiloMetadata(new Dictionary<string, string> { ["devices"] = "gpu:0" }));

        Assert.Equal(silo.Runtime.Address.ToString(), await silo.Grain<IPlacedGrain>().Where());
    }

    [Fact]
    public async Task A_strategy_without_a_director_fails_the_call_with_what_to_do()
    {
        await using var silo = await TestSilo.StartAsync();

        var exception = await Assert.ThrowsAsync<OrleansException>(() => silo.Grain<IPlacedGrain>().Where());

        Assert.Contains("AddPlacementDirector<FirstSiloPlacement", exception.Message);
    }

    [Fact]
    public async Task The_management_grain_knows_silos_and_activations()
    {
        await using var silo = await TestSilo.StartAsync();
        await silo.Grain<ICallGrain>("a").Key();
        await silo.Grain<ICallGrain>("b").Key();
        var management = silo.Client.GetGrain<IManagementGrain>(0);

        var hosts = await management.GetHosts(onlyActive: true);
        var statistics = await management.GetDetailedGrainStatistics([typeof(CallGrain).FullName!]);

        Assert.Equal(SiloStatus.Active, hosts[silo.Runtime.Address]);
        Assert.Equal(["call/a", "call/b"], statistics.Select(statistic => statistic.GrainId.ToString()).Order());
        Assert.All(statistics, statistic => Assert.Equal(silo.Runtime.Address, statistic.SiloAddress));
        Assert.Equal(3, await management.GetTotalActivationCount());
    }

    [Fact]
    public async Task Membership_says_who_is_active_and_who_leaves()
    {
        await using var silo = await TestSilo.StartAsync();
        var membership = silo.Services.GetRequiredService<IClusterMembershipService>();
        var local = silo.Services.GetRequiredService<ILocalSiloDetails>().SiloAddress;
        Assert.Equal(SiloStatus.Active, membership.CurrentSnapshot.GetSiloStatus(local));

        await silo.StopAsync();

        Assert.Equal(SiloStatus.Dead, membership.CurrentSnapshot.GetSiloStatus(local));
    }

    [Fact]
    public async Task A_client_without_a_silo_beside_it_does_not_start()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.UseOrleansClient(client => client.UseLocalhostClustering());
        using var host = builder.Build();

        var exception = await Assert.ThrowsAsync<OrleansConfigurationException>(() => host.StartAsync());

        Assert.Contains("UseOrleans", exception.Message);
    }

    [Theory]
    [InlineData("127.0.0.1:11111@5", true)]
    [InlineData("[::1]:11111@5", true)]
    [InlineData("127.0.0.1:99999@5", false)]
    [InlineData("127.0.0.1@5", false)]
    [InlineData("@", false)]
    [InlineData("", false)]
    public void A_silo_address_is_read_back_as_it_was_written(string text, bool valid)
    {
        Assert.Equal(valid, SiloAddress.TryParse(text, out var address));
        if (valid)
        {
            Assert.Equal(address, SiloAddress.FromParsableString(address!.ToParsableString()));
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static IWatcher Forgotten(IClusterClient client) => client.CreateObjectReference<IWatcher>(new Watcher());

    private sealed class Watcher : IWatcher
    {
        public string? Seen { get; private set; }

        public void Saw(string what) => Seen = what;

        public Task<int> Ask(int number) => Task.FromResult(number * 2);
    }

    private sealed class FirstSiloDirector(ISiloMetadataCache metadata) : IPlacementDirector
    {
        public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context) =>
            Task.FromResult(context.GetCompatibleSilos(target).First(silo => metadata.GetSiloMetadata(silo).Metadata["devices"] == "gpu:0"));
    }
}
