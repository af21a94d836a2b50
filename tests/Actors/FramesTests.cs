using System.Net.Sockets;
using Loire.Actors.Serialization;
using Loire.Actors.Transport;
using Orleans.Runtime;

namespace Loire.Actors.Tests;

/// <summary>Frames on their way: many in one system call, and cut anywhere.</summary>
public sealed class FramesTests
{
    private const int Limit = 64 << 20;

    private static readonly int[] Sizes = [1, 3, 100, 2047, 2048, 2049, 4095, 4096, 4097, 16_384, 70_001, 300_000];

    private static readonly SiloAddress Dialling = SiloAddress.New(System.Net.IPAddress.Loopback, 22222, 8);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_batch_sends_its_frames_whole_and_in_order(int seed)
    {
        var random = new Random(seed);
        var batch = new FrameBatch();
        for (var round = 0; round < 50; round++)
        {
            using var channel = new Collecting();
            var expected = new List<byte>();
            for (var frames = random.Next(1, 9); frames > 0; frames--)
            {
                var frame = Ping(random);
                expected.AddRange(BytesOf(frame));
                batch.Add(frame);
            }

            Assert.Equal(expected.Count, batch.Bytes);
            await batch.SendAsync(channel, default);
            batch.Clear();

            Assert.Equal(expected, channel.Sent);
            Assert.True(batch.IsEmpty);
            Assert.Equal(0, batch.Bytes);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Frames_cut_anywhere_are_read(int seed)
    {
        const int Frames = 60;
        await using var cluster = await TestCluster.StartAsync(1);
        var random = new Random(seed);
        using var channel = await DialAsync(cluster.Address(0));
        byte[] bytes = [.. Enumerable.Range(0, Frames).SelectMany(_ => BytesOf(Ping(random)))];

        var answers = ReadPongsAsync(channel, Frames);
        for (var sent = 0; sent < bytes.Length;)
        {
            var piece = Math.Min(random.Next(4) == 0 ? random.Next(1, 20) : random.Next(1, 100_000), bytes.Length - sent);
            await channel.SendAsync(bytes.AsMemory(sent, piece), default);
            sent += piece;
        }

        await answers.WaitAsync(TestSilo.Patience);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task An_array_that_was_changed_on_its_way_ends_the_connection(int seed)
    {
        await using var cluster = await TestCluster.StartAsync(1);
        var random = new Random(seed);
        for (var round = 0; round < 10; round++)
        {
            using var channel = await DialAsync(cluster.Address(0));
            var frame = Frame.Begin(FrameKind.Ping, 0);
            frame.Attached.Add(new byte[Sizes[random.Next(Sizes.Length)]]);
            var bytes = BytesOf(frame);
            bytes[^random.Next(1, frame.Attached[0].Length + 1)] ^= (byte)(1 << random.Next(8));

            await channel.SendAsync(bytes, default);

            await Assert.ThrowsAsync<IOException>(() => ReadPongsAsync(channel, 1).WaitAsync(TestSilo.Patience));
        }

        Assert.Equal(3, await cluster.From<ICallGrain>(-1, "still there").Add(1, 2));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Calls_of_one_caller_start_in_the_order_they_were_made_whatever_their_sizes(int seed)
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = cluster.From<IOrderGrain>(0, "far");
        await cluster.PlaceAsync(1, () => grain.Next([]));
        var random = new Random(seed);

        var calls = Enumerable.Range(0, 300).Select(_ => grain.Next(new byte[Sizes[random.Next(Sizes.Length)]])).ToArray();

        Assert.Equal(Enumerable.Range(1, calls.Length), await Task.WhenAll(calls).WaitAsync(TestSilo.Patience));
    }

    [Fact]
    public async Task Small_calls_pass_between_large_ones()
    {
        await using var cluster = await TestCluster.StartAsync();
        var large = cluster.From<IOrderGrain>(0, "large");
        var small = cluster.From<ICallGrain>(0, "small");
        await cluster.PlaceAsync(1, () => large.Next([]));
        await cluster.PlaceAsync(1, () => small.Key());
        var bytes = new byte[1 << 20];
        using var stop = new CancellationTokenSource();
        var flood = Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await large.Next(bytes);
            }
        })));

        for (var call = 0; call < 100; call++)
        {
            Assert.Equal(call + 1, await small.Add(call, 1).WaitAsync(TestSilo.Patience));
        }

        await stop.CancelAsync();
        await flood.WaitAsync(TestSilo.Patience);
    }

    private static WireWriter Ping(Random random)
    {
        var frame = Frame.Begin(FrameKind.Ping, 0);
        frame.Raw(Bytes(random, random.Next(3) == 0 ? Sizes[random.Next(Sizes.Length)] : random.Next(100)));
        for (var arrays = random.Next(4); arrays > 0; arrays--)
        {
            frame.Attached.Add(Bytes(random, Sizes[random.Next(Sizes.Length)]));
        }

        Frame.End(frame, Limit);
        return frame;
    }

    private static byte[] BytesOf(WireWriter frame)
    {
        if (System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(frame.Buffer) == 0)
        {
            Frame.End(frame, Limit);
        }

        return [.. frame.Written, .. frame.Attached.SelectMany(array => array)];
    }

    private static byte[] Bytes(Random random, int count)
    {
        var bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }

    private static async Task<SocketChannel> DialAsync(SiloAddress silo)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(silo.Endpoint);
        var channel = new SocketChannel(socket);
        await new Handshake(channel, "test", null, Dialling).DialAsync(silo, default);
        return channel;
    }

    private static async Task ReadPongsAsync(ByteChannel channel, int pongs)
    {
        var pong = BytesOf(Frame.Begin(FrameKind.Pong, 0));
        var buffer = new byte[pong.Length * pongs];
        for (var read = 0; read < buffer.Length;)
        {
            var count = 0;
            try
            {
                count = await channel.ReceiveAsync(buffer.AsMemory(read), default);
            }
            catch (SocketException)
            {
                // Reset: the connection has ended too.
            }

            read += count > 0 ? count : throw new IOException($"The connection ended after {read} of {buffer.Length} bytes.");
        }

        Assert.Equal(Enumerable.Repeat(pong, pongs).SelectMany(bytes => bytes), buffer);
    }

    private sealed class Collecting : ByteChannel
    {
        public List<byte> Sent { get; } = [];

        public override ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken) => new(0);

        public override ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            Sent.AddRange(bytes.Span);
            return default;
        }

        public override void Dispose()
        {
        }
    }
}
