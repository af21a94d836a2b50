using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Orleans.Hosting;
using Orleans.Runtime;

namespace Loire.Actors.Tests;

/// <summary>What holds inside one silo holds between two.</summary>
public sealed class RemoteCallTests
{
    [Fact]
    public async Task A_call_reaches_a_grain_on_another_silo()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = await FarAsync(cluster);

        Assert.Equal(3, await grain.Add(1, 2));
        Assert.Equal(5, await grain.AddValue(2, 3));
        await grain.Nothing();

        Assert.NotNull(cluster.Runtime(1).Catalog.Find(grain.GetGrainId()));
        Assert.Null(cluster.Runtime(0).Catalog.Find(grain.GetGrainId()));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_client_without_a_silo_calls_grains_wherever_they_are(int silo)
    {
        await using var cluster = await TestCluster.StartAsync(3);
        var grain = cluster.From<ICallGrain>(-1, $"on {silo}");
        await cluster.PlaceAsync(silo, () => grain.Key());

        Assert.Equal($"on {silo}", await grain.Key());
        Assert.NotNull(cluster.Runtime(silo).Catalog.Find(grain.GetGrainId()));
    }

    [Fact]
    public async Task Arguments_and_answers_arrive_as_they_were_sent()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = await FarAsync(cluster);
        var tree = new Tree { Name = "root", Children = { new Tree { Name = "child", Numbers = { ["a"] = [1, 2] } } } };

        var echo = await grain.Echo(tree);

        Assert.Equal("root seen", echo.Name);
        Assert.Equal("root", tree.Name);
        Assert.Equal([1, 2], echo.Children[0].Numbers["a"]);
        Assert.Equal([1, 2, 3, 99], await grain.Mutable([1, 2, 3]));
        Assert.Equal(11, (await grain.Shared([5, 6])).Sum());
        Assert.Equal("leaf", (await grain.EchoImmutable(new Leaf("leaf", [1]))).Name);
        Assert.Equal(5_000_000, await grain.LengthValue(new byte[5_000_000]));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Large_arrays_in_any_number_and_size_arrive_whole(int seed)
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = cluster.From<IArrayGrain>(0, "far");
        await cluster.PlaceAsync(1, () => grain.Digest([], new Arrays()));
        var random = new Random(seed);
        var calls = Enumerable.Range(0, 60).Select(async _ =>
        {
            byte[] first;
            Arrays more;
            lock (random)
            {
                first = Bytes(random);
                more = new Arrays { One = Bytes(random), Two = random.Next(3) == 0 ? null : Bytes(random), Small = [1, 2, 3] };
            }

            Assert.Equal(Arrays.DigestOf(first, more), await grain.Digest(first, more));
        });

        await Task.WhenAll(calls).WaitAsync(TestSilo.Patience);
        Assert.Equal(400_000, (await grain.Back(400_000)).Length);
    }

    [Fact]
    public async Task References_to_grains_travel_and_can_be_called()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = await FarAsync(cluster);
        var other = cluster.From<ICallGrain>(0, "near");
        await cluster.PlaceAsync(0, () => other.Key());

        Assert.True(await grain.PassSelf(other));
        Assert.Equal("far", await (await grain.Self()).Key());
    }

    [Fact]
    public async Task An_exception_arrives_with_type_and_message()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = await FarAsync(cluster);

        var exception = await Assert.ThrowsAsync<InvalidOperationException>(() => grain.Fail("it broke"));

        Assert.Equal("it broke", exception.Message);
    }

    [Theory]
    [InlineData("own", typeof(LimitedException))]
    [InlineData("argument", typeof(ArgumentNullException))]
    [InlineData("inner", typeof(TimeoutException))]
    [InlineData("unknown", typeof(OrleansException))]
    public async Task An_exception_of_any_type_arrives(string kind, Type type)
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = cluster.From<IFailGrain>(0, "far");
        await cluster.PlaceAsync(1, grain.Nothing);

        var exception = await Assert.ThrowsAnyAsync<Exception>(() => grain.Fail(kind));

        Assert.Equal(type, exception.GetType());
        switch (exception)
        {
            case LimitedException limited:
                Assert.Equal(("too much", 7, "prompt", TimeSpan.FromSeconds(3)), (limited.Message, limited.Limit, limited.Field, limited.RetryAfter));
                Assert.Equal("why", limited.InnerException?.Message);
                break;
            case TimeoutException:
                Assert.Equal("cause", Assert.IsType<InvalidOperationException>(exception.InnerException).Message);
                break;
            case OrleansException:
                Assert.Equal($"{typeof(UnknownException).FullName}: made of two, 3", exception.Message);
                break;
        }
    }

    [Fact]
    public async Task The_request_context_goes_along_and_does_not_come_back()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = await FarAsync(cluster);
        RequestContext.Set("who", "me");

        Assert.Equal("me", await grain.ContextThrough("near", "who"));

        Assert.Equal("me", RequestContext.Get("who"));
        RequestContext.Clear();
    }

    [Fact]
    public async Task A_call_that_nobody_waits_for_arrives()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = await FarAsync(cluster);

        await grain.Tell("told");

        await cluster.Board.Seen("told");
    }

    [Fact]
    public async Task A_call_that_interleaves_passes_one_that_holds()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = await FarAsync(cluster);
        var held = grain.Hold("first");
        await cluster.Board.Seen("first begins");

        cluster.Board.Open("second may end");
        Assert.Equal("second", await grain.Interleave("second"));

        cluster.Board.Open("first may end");
        await held;
    }

    [Fact]
    public async Task A_cancelled_token_cancels_the_method_on_its_silo()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = await FarAsync(cluster);
        using var stop = new CancellationTokenSource();
        var call = grain.HoldUntilCancelled("one", stop.Token);
        await cluster.Board.Seen("one holds");

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await cluster.Board.Seen("one was cancelled");
        Assert.Contains("on the grain's scheduler", cluster.Board.Notes);
    }

    [Fact]
    public async Task A_call_without_an_answer_fails_at_its_deadline()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = await FarAsync(cluster);
        var call = grain.Hold("slow");
        await cluster.Board.Seen("slow begins");

        cluster.Time.Advance(TimeSpan.FromSeconds(31));

        var exception = await Assert.ThrowsAsync<TimeoutException>(() => call);
        Assert.Contains("call/far.Hold", exception.Message);
        cluster.Board.Open("slow may end");
    }

    [Fact]
    public async Task A_chain_that_comes_back_is_named_as_a_cycle_when_it_times_out()
    {
        await using var cluster = await TestCluster.StartAsync();
        var far = await FarAsync(cluster);
        var near = cluster.From<ICallGrain>(0, "near");
        await cluster.PlaceAsync(0, () => near.Key());

        var call = far.CallBack("near", allow: false);
        var inbound = cluster.Runtime(1).Catalog.Find(far.GetGrainId())!;
        while (inbound.Depth().Waiting == 0)
        {
            await Task.Yield();
        }

        var waiting = inbound.FirstWaiting()!;
        Assert.Contains("the calls form a cycle", Loire.Actors.Calls.CallChain.Describe(waiting));
        Assert.Contains("call/near.CallInto", Loire.Actors.Calls.CallChain.Describe(waiting));
        cluster.Time.Advance(TimeSpan.FromSeconds(31));
        await Assert.ThrowsAsync<TimeoutException>(() => call);
    }

    [Fact]
    public async Task A_chain_that_is_allowed_to_come_back_does()
    {
        await using var cluster = await TestCluster.StartAsync();
        var far = await FarAsync(cluster);
        await cluster.PlaceAsync(0, () => cluster.From<ICallGrain>(0, "near").Key());

        Assert.Equal("far", await far.CallBack("near", allow: true));
    }

    [Fact]
    public async Task A_grain_that_blocks_its_thread_holds_up_nobody_else_on_the_connection()
    {
        await using var cluster = await TestCluster.StartAsync();
        var far = await FarAsync(cluster);
        var other = cluster.From<ICallGrain>(0, "other");
        await cluster.PlaceAsync(1, () => other.Key());

        var blocked = far.Block("blocks");
        await cluster.Board.Seen("blocks");
        for (var call = 0; call < 100; call++)
        {
            Assert.Equal(3, await other.Add(1, 2).WaitAsync(TestSilo.Patience));
        }

        CallGrain.Unblock();
        await blocked;
    }

    [Fact]
    public async Task A_filter_sees_who_calls_from_another_silo()
    {
        var sources = new System.Collections.Concurrent.ConcurrentQueue<string?>();
        await using var cluster = await TestCluster.StartAsync(configure: silo => silo.AddIncomingGrainCallFilter(context =>
        {
            if (context.MethodName == nameof(ICallGrain.ContextValue))
            {
                sources.Enqueue(context.SourceId?.ToString());
            }

            return context.Invoke();
        }));
        var far = await FarAsync(cluster);
        await cluster.PlaceAsync(0, () => cluster.From<ICallGrain>(0, "near").Key());

        await far.ContextThrough("near", "x");

        Assert.Equal(["call/far"], sources);
    }

    [Fact]
    public async Task A_message_that_is_too_large_fails_at_its_sender_with_what_to_do()
    {
        await using var cluster = await TestCluster.StartAsync(everywhere: services =>
            services.Configure<Transport.TransportOptions>(options => options.MaxFrameBytes = 100_000));
        var grain = await FarAsync(cluster);

        var exception = await Assert.ThrowsAsync<OrleansException>(() => grain.LengthValue(new byte[100_001]).AsTask());
        var answer = await Assert.ThrowsAsync<OrleansException>(() => cluster.From<IFailGrain>(0, "large").Bytes(100_001, cluster.Address(1)));

        Assert.Contains("MaxFrameBytes", exception.Message);
        Assert.Contains("MaxFrameBytes", answer.Message);
        Assert.Equal(3, await grain.Add(1, 2));
    }

    [Fact]
    public async Task Calls_beyond_the_send_queue_wait_and_arrive()
    {
        await using var cluster = await TestCluster.StartAsync(everywhere: services =>
            services.Configure<Transport.TransportOptions>(options => options.SendQueueBytes = 10_000));
        var grain = await FarAsync(cluster);

        var lengths = await Task.WhenAll(Enumerable.Range(0, 500).Select(length => grain.LengthValue(new byte[length * 10]).AsTask()));

        Assert.Equal(Enumerable.Range(0, 500).Select(length => length * 10), lengths);
    }

    [Fact]
    public async Task Two_silos_that_activate_one_grain_at_once_agree_on_one()
    {
        await using var cluster = await TestCluster.StartAsync(3);
        for (var round = 0; round < 20; round++)
        {
            var key = $"raced {round}";
            var identities = await Task.WhenAll(Enumerable.Range(-1, 4).SelectMany(silo => new[]
            {
                Task.Run(() => cluster.From<ICallGrain>(silo, key).Identity()),
                Task.Run(() => cluster.From<ICallGrain>(silo, key).Identity()),
            }));

            Assert.Single(identities.Distinct());
        }
    }

    [Fact]
    public async Task A_grain_that_ended_activates_again_for_callers_that_remember_where_it_was()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = cluster.From<ILifeGrain>(0, "ends");
        await cluster.PlaceAsync(1, () => grain.Identity());
        var first = await grain.Identity();
        await grain.End();

        var second = await grain.Identity();

        Assert.NotEqual(first, second);
    }

    [Fact]
    public async Task Observers_of_a_client_and_of_a_silo_are_called_from_elsewhere()
    {
        await using var cluster = await TestCluster.StartAsync();
        foreach (var from in new[] { -1, 0 })
        {
            var watcher = new Watcher();
            var client = from < 0 ? cluster.Client : cluster.Cluster.Silos[0].ServiceProvider.GetRequiredService<IClusterClient>();
            var reference = client.CreateObjectReference<IWatcher>(watcher);
            var grain = cluster.From<IWatchedGrain>(from, "far");
            await cluster.PlaceAsync(1, () => grain.TellAndAsk(reference, "warm", 1));

            Assert.Equal(8, await grain.TellAndAsk(reference, "hello", 4));
            Assert.Equal("hello", watcher.Seen);
            client.DeleteObjectReference<IWatcher>(watcher);
            await Assert.ThrowsAsync<ClientNotAvailableException>(() => grain.TellAndAsk(reference, "again", 4));
        }
    }

    [Fact]
    public async Task The_management_grain_knows_all_silos_and_their_activations()
    {
        await using var cluster = await TestCluster.StartAsync(3);
        for (var silo = 0; silo < 3; silo++)
        {
            await cluster.PlaceAsync(silo, () => cluster.From<ICallGrain>(silo, $"on {silo}").Key());
        }

        var management = cluster.Client.GetGrain<IManagementGrain>(0);
        var hosts = await management.GetHosts(onlyActive: true);
        var statistics = await management.GetDetailedGrainStatistics([typeof(CallGrain).FullName!]);
        var one = await management.GetDetailedGrainStatistics([typeof(CallGrain).FullName!], [cluster.Address(2)]);

        Assert.Equal(3, hosts.Count);
        Assert.Equal(["call/on 0", "call/on 1", "call/on 2"], statistics.Select(statistic => statistic.GrainId.ToString()).Order());
        Assert.Equal("call/on 2", Assert.Single(one).GrainId.ToString());
        Assert.Equal(4, await management.GetTotalActivationCount());
    }

    private static byte[] Bytes(Random random)
    {
        var bytes = new byte[random.Next(4) == 0 ? random.Next(600_000) : random.Next(40_000)];
        random.NextBytes(bytes);
        return bytes;
    }

    private static async Task<ICallGrain> FarAsync(TestCluster cluster)
    {
        var grain = cluster.From<ICallGrain>(0, "far");
        await cluster.PlaceAsync(1, () => grain.Key());
        return grain;
    }

    private sealed class Watcher : IWatcher
    {
        public string? Seen { get; private set; }

        public void Saw(string what) => Seen = what;

        public Task<int> Ask(int number) => Task.FromResult(number * 2);
    }
}

public interface IFailGrain : IGrainWithStringKey
{
    Task Nothing();

    Task Fail(string kind);

    [return: Immutable]
    Task<byte[]> Bytes(int count, SiloAddress from);
}

internal sealed class FailGrain : Grain, IFailGrain
{
    public Task Nothing() => Task.CompletedTask;

    public Task Fail(string kind) => throw kind switch
    {
        "own" => new LimitedException(7, "too much", "prompt", TimeSpan.FromSeconds(3), new InvalidOperationException("why")),
        "argument" => new ArgumentNullException(nameof(kind), "is missing"),
        "inner" => new TimeoutException("late", new InvalidOperationException("cause")),
        _ => new UnknownException("made of two", 3),
    };

    public async Task<byte[]> Bytes(int count, SiloAddress from)
    {
        if (!GrainContext.Address.SiloAddress!.Equals(from))
        {
            RequestContext.Set(Orleans.Runtime.Placement.IPlacementDirector.PlacementHintKey, from);
            return await GrainFactory.GetGrain<IFailGrain>(this.GetPrimaryKeyString() + "+").Bytes(count, from);
        }

        return new byte[count];
    }
}

[GenerateSerializer, Alias("test.limited")]
public sealed class LimitedException : Exception
{
    public LimitedException(int limit, string message, string? field = null, TimeSpan? retryAfter = null, Exception? inner = null)
        : base(message, inner)
    {
        Limit = limit;
        Field = field;
        RetryAfter = retryAfter;
    }

    [Id(0)] public int Limit { get; }

    [Id(1)] public string? Field { get; }

    [Id(2)] public TimeSpan? RetryAfter { get; }
}

public sealed class UnknownException(string first, int second) : Exception($"{first}, {second}");

public interface IArrayGrain : IGrainWithStringKey
{
    Task<string> Digest(byte[] first, Arrays more);

    Task<byte[]> Back(int count);
}

[GenerateSerializer, Alias("test.arrays")]
public sealed class Arrays
{
    [Id(0)] public byte[] One { get; init; } = [];

    [Id(1)] public byte[]? Two { get; init; }

    [Id(2)] public byte[] Small { get; init; } = [];

    public static string DigestOf(byte[] first, Arrays more) =>
        Convert.ToHexString(System.Security.Cryptography.SHA256.HashData([.. first, .. more.One, .. more.Two ?? [9], .. more.Small]));
}

internal sealed class ArrayGrain : Grain, IArrayGrain
{
    public Task<string> Digest(byte[] first, Arrays more) => Task.FromResult(Arrays.DigestOf(first, more));

    public Task<byte[]> Back(int count) => Task.FromResult(new byte[count]);
}
