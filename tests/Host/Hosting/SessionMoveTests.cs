using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using Loire.Contracts;
using Loire.Engine.State;
using Loire.Telemetry;

namespace Loire.Host.Tests;

/// <summary>Sessions of the demo model go from silo to silo: their state takes the direct way where there is one, and the store's where there is not, and nobody can tell from the tokens.</summary>
public sealed class SessionMoveTests
{
    private const string Here = "Silo_0";
    private const string There = "Silo_1";
    private static readonly int[] s_more = [11, 12, 13];

    [Theory]
    [InlineData(98)]
    [InlineData(125)] // no tail: 125 and the three that were fed are two pages
    [InlineData(8_000)]
    public async Task An_idle_session_takes_its_state_along_and_not_a_byte_more(int promptTokens)
    {
        await using var cluster = await MovingCluster.StartAsync(2);
        var shape = cluster.Engine(Here).Shape.State;
        await cluster.BeginAsync("calm", promptTokens, Here);
        var expected = await cluster.TurnAsync("calm", "calm-2", s_more, 12);
        await cluster.BeginAsync("moved", promptTokens, Here);
        var read = cluster.Store.Usage.BlobsRead;

        var move = await cluster.Session("moved").MoveAsync(There);

        var state = promptTokens + 3; // four were generated, and the last was never fed
        Assert.Equal((Here, There, false, StateRoute.Link, null), (move.From, move.To, move.WasRunning, move.Via, move.Reason));
        var shared = state / StateShape.PageTokens * StateShape.PageTokens * shape.BytesPerToken;
        Assert.Equal(shape.BytesOf(state), move.Bytes + move.SharedBytes);
        Assert.Contains(move.SharedBytes, new[] { 0, shared }); // "calm" has the same beginning, wherever it is
        Assert.InRange(move.WireBytes, move.Bytes, move.Bytes + 4096 + (8 * state)); // tokens, checksums and frames
        Assert.InRange(move.PauseMilliseconds, double.Epsilon, 2000);
        var events = await cluster.TurnAsync("moved", "moved-2", s_more, 12);
        Assert.Equal(new TurnStart(promptTokens + 4 + s_more.Length, state, StateSource.Device), events[0].Start);
        Assert.Equal(World.TokensOf(expected), World.TokensOf(events));
        Assert.Equal(read, cluster.Store.Usage.BlobsRead);
        await cluster.AuditAsync();
    }

    [Fact]
    public async Task Pages_that_the_other_silo_has_are_not_sent_again()
    {
        await using var cluster = await MovingCluster.StartAsync(2);
        var shape = cluster.Engine(Here).Shape.State;
        await cluster.BeginAsync("first", 400, Here, seed: 7);
        await cluster.Session("second").MoveAsync(Here);
        await cluster.TurnAsync("second", "second-1", [.. MovingCluster.Prompt(7, 400), 9, 9, 9], 4); // the same beginning

        var first = await cluster.Session("first").MoveAsync(There);
        var second = await cluster.Session("second").MoveAsync(There);

        var shared = 6 * StateShape.PageTokens * shape.BytesPerToken;
        Assert.Equal((null, null), (first.Reason, second.Reason));
        Assert.Equal((StateRoute.Link, shape.BytesOf(403), 0L), (first.Via, first.Bytes, first.SharedBytes));
        Assert.Equal((StateRoute.Link, shape.BytesOf(406) - shared, shared), (second.Via, second.Bytes, second.SharedBytes));
        Assert.Equal(StateSource.Device, (await cluster.TurnAsync("first", "first-2", s_more, 4))[0].Start!.Source);
        Assert.Equal(StateSource.Device, (await cluster.TurnAsync("second", "second-2", s_more, 4))[0].Start!.Source);
        await cluster.AuditAsync();
    }

    [Theory]
    [InlineData(60)]
    [InlineData(3_000)]
    public async Task A_stream_that_moves_again_and_again_repeats_and_drops_nothing(int promptTokens)
    {
        await using var cluster = await MovingCluster.StartAsync(3);
        await cluster.BeginAsync("calm", promptTokens, Here);
        var expected = await cluster.StreamAsync("calm", "calm-2", s_more, 150);
        await cluster.BeginAsync("moved", promptTokens, Here);
        var moves = new List<SessionMove>();

        var found = await cluster.StreamAsync("moved", "moved-2", s_more, 150, after: 20, happens: async () =>
        {
            foreach (var silo in new[] { There, "Silo_2", Here })
            {
                moves.Add(await cluster.Session("moved").MoveAsync(silo));
            }
        });

        Assert.Equal(expected, found);
        Assert.Equal(3, moves.Count);
        Assert.Equal((true, StateRoute.Link, null), (moves[0].WasRunning, moves[0].Via, moves[0].Reason));
        Assert.True((await cluster.Session("moved").GetAsync())!.Tokens == promptTokens + 4 + s_more.Length + 150);
        await cluster.AuditAsync();
    }

    [Fact]
    public async Task Without_room_at_the_other_silo_the_session_moves_all_the_same()
    {
        await using var cluster = await MovingCluster.StartAsync(2, (silo, options) => silo == There
            ? options with { Engine = options.Engine with { Slots = 1 } }
            : options);
        await cluster.BeginAsync("moved", 200, Here);
        await cluster.BeginAsync("busy", 20, There);
        var move = default(SessionMove);
        await cluster.StreamAsync("busy", "busy-2", s_more, 2_000, after: 1, happens: async () => move = await cluster.Session("moved").MoveAsync(There));

        Assert.Equal((There, StateRoute.Store, 0L), (move!.To, move.Via, move.Bytes));
        Assert.Contains("no room", move.Reason);
        Assert.Equal(StateSource.Store, (await cluster.TurnAsync("moved", "moved-2", s_more, 4))[0].Start!.Source);
        await cluster.AuditAsync();
    }

    [Fact]
    public async Task A_silo_without_links_is_left_by_way_of_the_store()
    {
        await using var cluster = await MovingCluster.StartAsync(2, (silo, options) => silo == There ? options with { LinkSecret = "another" } : options);
        await cluster.BeginAsync("moved", 200, Here);

        var move = await cluster.Session("moved").MoveAsync(There);

        Assert.Equal(StateRoute.Store, move.Via);
        Assert.Contains("secret", move.Reason);
        Assert.Equal(StateSource.Store, (await cluster.TurnAsync("moved", "moved-2", s_more, 4))[0].Start!.Source);
        await cluster.AuditAsync();
    }

    [Fact]
    public async Task A_state_that_is_not_on_the_device_stays_in_the_store()
    {
        await using var cluster = await MovingCluster.StartAsync(2);
        await cluster.BeginAsync("moved", 200, Here);
        await cluster.Session("moved").HibernateAsync();

        var move = await cluster.Session("moved").MoveAsync(There);

        Assert.Equal((StateRoute.Store, 0L), (move.Via, move.Bytes));
        Assert.Contains("not on the device", move.Reason);
        Assert.Equal(StateSource.Store, (await cluster.TurnAsync("moved", "moved-2", s_more, 4))[0].Start!.Source);
    }

    /// <summary>The other end has died, has fallen silent, or speaks nonsense: the replica that fetches is told so, and holds nothing.</summary>
    [Theory]
    [InlineData("dead")]
    [InlineData("silent")]
    [InlineData("nonsense")]
    public async Task An_offer_that_does_not_answer_is_refused_within_the_time_limit(string how)
    {
        await using var cluster = await MovingCluster.StartAsync(2, (_, options) => options with { TransferTimeout = TimeSpan.FromMilliseconds(300) });
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var address = other.LocalEndpoint.ToString()!;
        var answering = how == "nonsense" ? BabbleAsync(other) : Task.CompletedTask;
        if (how == "dead")
        {
            other.Stop();
        }

        var receipt = await cluster.Replica(There).TakeStateAsync(new StateOffering
        {
            Checkpoint = new string('a', 64), Tokens = 100, Endpoint = new TensorEndpoint("S127.0.0.1:1:1", "state:gone") { Address = address },
        });

        Assert.False(receipt.Taken);
        Assert.NotNull(receipt.Refusal);
        await answering;
        await cluster.AuditAsync();
    }

    [Fact]
    public async Task A_drain_sends_states_along_and_streams_go_on()
    {
        await using var cluster = await MovingCluster.StartAsync(2);
        await cluster.BeginAsync("calm", 300, There);
        var expected = await cluster.StreamAsync("calm", "calm-2", s_more, 200);
        await cluster.BeginAsync("idle", 500, Here, seed: 2);
        await cluster.BeginAsync("running", 300, Here);
        using var metrics = new Moves(cluster.Service<LoireMetrics>(There));

        var found = await cluster.StreamAsync("running", "running-2", s_more, 200, after: 30, happens: () => cluster.StopAsync(Here));

        Assert.Equal(expected, found);
        Assert.Equal(2, metrics.Taken);
        Assert.Equal(StateSource.Device, (await cluster.TurnAsync("idle", "idle-2", s_more, 4))[0].Start!.Source);
        await cluster.AuditAsync();
    }

    [Fact]
    public async Task Sessions_that_move_at_once_from_everywhere_to_everywhere_keep_their_tokens()
    {
        await using var cluster = await MovingCluster.StartAsync(3);
        var random = new Random(5);
        var names = Enumerable.Range(0, 6).Select(i => $"s{i}").ToArray();
        var expected = new int[6][];
        for (var i = 0; i < names.Length; i++)
        {
            await cluster.BeginAsync($"calm{i}", 40 + (70 * i), Here, seed: i);
            expected[i] = await cluster.StreamAsync($"calm{i}", "calm-2", s_more, 60);
            await cluster.BeginAsync(names[i], 40 + (70 * i), $"Silo_{i % 3}", seed: i);
        }

        var targets = Enumerable.Range(0, 18).Select(_ => $"Silo_{random.Next(3)}").ToArray();
        var found = await Task.WhenAll(names.Select((name, i) => cluster.StreamAsync(name, "turn-2", s_more, 60, after: 5 + i, happens: async () =>
        {
            foreach (var silo in targets.AsMemory(3 * i, 3).ToArray())
            {
                await cluster.Session(name).MoveAsync(silo);
            }
        })));

        Assert.Equal(expected, found);
        await cluster.AuditAsync();
    }

    [Fact]
    public async Task Sessions_go_by_themselves_to_a_silo_that_is_added_and_stay()
    {
        await using var cluster = await MovingCluster.StartAsync(2, (_, options) => options with
        {
            Rebalance = true, RebalanceEvery = TimeSpan.FromMilliseconds(500), ReportLoadEvery = TimeSpan.FromMilliseconds(200),
            Engine = options.Engine with { Slots = 32 },
        });
        var names = Enumerable.Range(0, 60).Select(i => $"s{i}").ToArray();
        for (var i = 0; i < names.Length; i++)
        {
            await cluster.TurnAsync(names[i], "first", MovingCluster.Prompt(i, 30), 3);
        }

        var added = await cluster.AddAsync();
        var counts = () => $"{cluster.SessionsOn(Here)}, {cluster.SessionsOn(There)}, {cluster.SessionsOn(added)} sessions";
        await MovingCluster.UntilAsync(() => cluster.SessionsOn(added) >= 10, counts);

        await MovingCluster.UntilAsync(() => Math.Max(cluster.SessionsOn(Here), cluster.SessionsOn(There)) <= 26, counts);
        var view = await cluster.Grains.GetGrain<IClusterGrain>(IClusterGrain.Key).GetAsync();
        Assert.Equal(0, view.Silos.Single(silo => silo.Name == added).HandedOver); // nothing comes back
        Assert.InRange(view.Silos.Sum(silo => silo.HandedOver), 10, 40);
        for (var i = 0; i < names.Length; i++)
        {
            Assert.Equal(3, (await cluster.StreamAsync(names[i], "second", s_more, 3)).Length);
        }
    }

    private static async Task BabbleAsync(TcpListener listener)
    {
        using var socket = await listener.AcceptSocketAsync();
        await socket.SendAsync(Enumerable.Repeat((byte)7, 1000).ToArray());
    }

    /// <summary>States that one silo has taken from others.</summary>
    private sealed class Moves : IDisposable
    {
        private readonly MeterListener _listener = new();
        private long _taken;

        public Moves(LoireMetrics metrics)
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name == "loire.move.taken" && metrics.IsOf(instrument.Meter))
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref _taken, value));
            _listener.Start();
        }

        public long Taken => Volatile.Read(ref _taken);

        public void Dispose() => _listener.Dispose();
    }
}
