using System.Net;
using System.Net.Sockets;
using Loire.Actors.Transport;
using Orleans.Runtime;

namespace Loire.Actors.Tests;

/// <summary>Who may talk to whom, and what damaged or hostile bytes do: nothing but end the connection.</summary>
public sealed class HandshakeTests
{
    private const string Secret = "a secret that is long enough";

    private static readonly SiloAddress Listening = SiloAddress.New(IPAddress.Loopback, 11111, 7);
    private static readonly SiloAddress Dialling = SiloAddress.New(IPAddress.Loopback, 22222, 8);

    [Fact]
    public async Task Two_that_know_the_secret_agree_on_who_they_are()
    {
        var (dialled, accepted) = await ShakeAsync();

        Assert.Null(dialled);
        Assert.Null(accepted.Failure);
        Assert.Equal(Dialling, accepted.Peer);
    }

    [Theory]
    [InlineData("secret", "secret")]
    [InlineData("cluster", "cluster")]
    [InlineData("generation", "that one is gone")]
    public async Task One_who_is_not_meant_is_refused_with_the_reason(string what, string reason)
    {
        var (dialled, accepted) = await ShakeAsync(
            secret: what == "secret" ? "another secret, as long" : Secret,
            cluster: what == "cluster" ? "another" : "test",
            target: what == "generation" ? SiloAddress.New(IPAddress.Loopback, 11111, 6) : Listening);

        Assert.Contains(reason, Assert.IsType<OrleansException>(dialled).Message);
        Assert.NotNull(accepted.Failure);
    }

    [Fact]
    public async Task A_handshake_that_was_recorded_proves_nothing()
    {
        var recorder = new Recorder();
        var (dialled, _) = await ShakeAsync(record: recorder);
        Assert.Null(dialled);

        using var pair = await SocketPair.OpenAsync();
        var accepting = new Handshake(pair.Server, "test", Secret, Listening).AcceptAsync(default);
        await pair.Client.SendAsync(recorder.Sent.ToArray(), default);

        var exception = await Assert.ThrowsAsync<OrleansException>(() => accepting.WaitAsync(TestSilo.Patience));
        Assert.Contains("wrong secret", exception.Message);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Damaged_handshakes_end_in_an_exception(int seed)
    {
        var recorder = new Recorder();
        await ShakeAsync(record: recorder);
        var random = new Random(seed);
        for (var round = 0; round < 100; round++)
        {
            var bytes = recorder.Sent.ToArray();
            switch (random.Next(3))
            {
                case 0:
                    bytes = bytes[..random.Next(bytes.Length)];
                    break;
                case 1:
                    bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
                    break;
                default:
                    random.NextBytes(bytes.AsSpan(random.Next(bytes.Length)));
                    break;
            }

            using var pair = await SocketPair.OpenAsync();
            var accepting = new Handshake(pair.Server, "test", Secret, Listening).AcceptAsync(default);
            await pair.Client.SendAsync(bytes, default);
            pair.Client.Dispose();

            await Assert.ThrowsAnyAsync<Exception>(() => accepting.WaitAsync(TestSilo.Patience));
        }
    }

    [Fact]
    public async Task Silos_with_another_secret_do_not_serve()
    {
        var wrong = 0;
        await using var cluster = await TestCluster.StartAsync(everywhere: services =>
            Microsoft.Extensions.DependencyInjection.OptionsServiceCollectionExtensions.Configure<TransportOptions>(
                services, options => options.ClusterSecret = $"{Secret} {Interlocked.Increment(ref wrong)}"));
        var grain = cluster.From<ICallGrain>(-1, "any");

        var call = grain.Key();
        for (var second = 0; second < 40 && !call.IsCompleted; second++)
        {
            cluster.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        await Assert.ThrowsAsync<TimeoutException>(() => call.WaitAsync(TestSilo.Patience));
    }

    [Fact]
    public async Task Calls_go_over_tls_when_it_is_switched_on()
    {
        using var key = System.Security.Cryptography.RSA.Create(2048);
        var request = new System.Security.Cryptography.X509Certificates.CertificateRequest(
            "CN=silo", key, System.Security.Cryptography.HashAlgorithmName.SHA256, System.Security.Cryptography.RSASignaturePadding.Pkcs1);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, new DateTimeOffset(2100, 1, 1, 0, 0, 0, TimeSpan.Zero));
        await using var cluster = await TestCluster.StartAsync(everywhere: services =>
            Microsoft.Extensions.DependencyInjection.OptionsServiceCollectionExtensions.Configure<TransportOptions>(services, options =>
            {
                options.ClusterSecret = Secret;
                options.TlsServer = new() { ServerCertificate = certificate };
                options.TlsClient = new()
                {
                    TargetHost = "silo",
                    RemoteCertificateValidationCallback = (_, shown, _, _) => shown?.GetCertHashString() == certificate.GetCertHashString(),
                };
            }));
        var grain = cluster.From<ICallGrain>(0, "far");
        await cluster.PlaceAsync(1, () => grain.Key());

        Assert.Equal(3_000_000, await grain.LengthValue(new byte[3_000_000]));
        Assert.Equal("far", await cluster.From<ICallGrain>(-1, "far").Key());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Every_change_of_a_frame_is_found(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 2_000; round++)
        {
            var frame = Frame.Begin(FrameKind.Answer, (uint)round);
            var body = new byte[random.Next(300)];
            random.NextBytes(body);
            frame.Raw(body);
            Frame.End(frame, 4096);
            var bytes = frame.Written.ToArray();
            Frame.Check(bytes.AsSpan(0, Frame.HeadBytes), bytes.AsSpan(Frame.HeadBytes));

            var at = random.Next(Frame.HeadBytes, bytes.Length);
            bytes[at] ^= (byte)(1 << random.Next(8));
            Assert.Throws<OrleansException>(() => Frame.Check(bytes.AsSpan(0, Frame.HeadBytes), bytes.AsSpan(Frame.HeadBytes)));
            Frame.Free(frame);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(4097)]
    [InlineData(int.MaxValue)]
    public void A_length_that_no_frame_has_is_refused(int length) =>
        Assert.Throws<OrleansException>(() => Frame.LengthOf(BitConverter.GetBytes(length), 4096));

    [Fact]
    public void A_frame_beyond_the_limit_is_not_sent()
    {
        var frame = Frame.Begin(FrameKind.Answer, 1);
        frame.Raw(new byte[5000]);

        var exception = Assert.Throws<OrleansException>(() => Frame.End(frame, 4096));

        Assert.Contains("MaxFrameBytes", exception.Message);
    }

    /// <summary>Whatever follows a good handshake: the connection ends, and the silo goes on.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Garbage_after_the_handshake_ends_only_its_connection(int seed)
    {
        await using var cluster = await TestCluster.StartAsync();
        var random = new Random(seed);
        var silo = cluster.Address(0);
        for (var round = 0; round < 50; round++)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(silo.Endpoint);
            using var channel = new SocketChannel(socket);
            await new Handshake(channel, "test", null, Dialling).DialAsync(silo, default);
            var bytes = new byte[random.Next(1, 400)];
            random.NextBytes(bytes);
            if (round % 2 == 0)
            {
                // A right head and a right checksum around a body that means nothing.
                var frame = Frame.Begin((FrameKind)random.Next(1, 9), (uint)random.Next());
                frame.Raw(bytes);
                Frame.End(frame, 4096);
                bytes = frame.Written.ToArray();
            }

            await channel.SendAsync(bytes, default);
            socket.Shutdown(SocketShutdown.Send);
            var rest = new byte[4096];
            try
            {
                while (await channel.ReceiveAsync(rest, default).AsTask().WaitAsync(TestSilo.Patience) > 0)
                {
                }
            }
            catch (SocketException)
            {
                // Reset: the connection has ended too.
            }
        }

        Assert.Equal(3, await cluster.From<ICallGrain>(-1, "still there").Add(1, 2));
    }

    private static async Task<(Exception? Dialled, (SiloAddress? Peer, Exception? Failure) Accepted)> ShakeAsync(
        string secret = Secret, string cluster = "test", SiloAddress? target = null, Recorder? record = null)
    {
        using var pair = await SocketPair.OpenAsync();
        var accepting = new Handshake(pair.Server, "test", Secret, Listening).AcceptAsync(default);
        var channel = record is null ? pair.Client : record.Over(pair.Client);
        var dialled = await Record.ExceptionAsync(() => new Handshake(channel, cluster, secret, Dialling).DialAsync(target ?? Listening, default).WaitAsync(TestSilo.Patience));
        if (dialled is not null)
        {
            pair.Client.Dispose();
        }

        SiloAddress? peer = null;
        var failure = await Record.ExceptionAsync(async () => peer = await accepting.WaitAsync(TestSilo.Patience));
        return (dialled, (peer, failure));
    }

    private sealed class SocketPair(Socket client, Socket server) : IDisposable
    {
        public ByteChannel Client { get; } = new SocketChannel(client);

        public ByteChannel Server { get; } = new SocketChannel(server);

        public static async Task<SocketPair> OpenAsync()
        {
            using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            listener.Listen();
            var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(listener.LocalEndPoint!);
            return new SocketPair(client, await listener.AcceptAsync());
        }

        public void Dispose()
        {
            Client.Dispose();
            Server.Dispose();
        }
    }

    private sealed class Recorder
    {
        public List<byte> Sent { get; } = [];

        public ByteChannel Over(ByteChannel inner) => new Recording(this, inner);

        private sealed class Recording(Recorder recorder, ByteChannel inner) : ByteChannel
        {
            public override ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken) => inner.ReceiveAsync(buffer, cancellationToken);

            public override ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
            {
                recorder.Sent.AddRange(bytes.ToArray());
                return inner.SendAsync(bytes, cancellationToken);
            }

            public override void Dispose() => inner.Dispose();
        }
    }
}
