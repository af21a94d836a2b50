using System.Net;
using System.Net.Sockets;
using Loire.Engine.Backends;
using Loire.Engine.Backends.Cpu.Links;
using Loire.Engine.Links;

namespace Loire.Engine.Tests.Links;

/// <summary>Whatever comes over a link, it is understood or refused.</summary>
public sealed class FrameTests
{
    private const int MaxPayload = 1 << 16;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void AChangedBit_IsFound(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 500; round++)
        {
            var frame = new PinnedBuffer();
            random.NextBytes(frame.Extend(random.Next(200)));
            frame.Seal(FrameKind.Step, (uint)random.Next());
            var bytes = frame.Frame.ToArray();
            bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));

            Assert.Throws<FrameException>(() =>
            {
                var head = FrameHead.Read(bytes, MaxPayload);
                FrameHead.Check(bytes.AsSpan(0, FrameHead.Bytes), bytes.AsSpan(FrameHead.Bytes));
                Assert.Equal(bytes.Length - FrameHead.Bytes, head.Length);
            });
        }
    }

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void AStepOfRandomBytes_IsABatchOrRefused(int seed)
    {
        var random = new Random(seed);
        var tables = Enumerable.Range(0, 4).Select(_ => new List<int>()).ToArray();
        for (var round = 0; round < 2_000; round++)
        {
            var batch = new StepBatch(64, 4, 4);
            try
            {
                var reader = new PayloadReader(Mutated(random));
                StepFrame.Read(ref reader, batch, tables, slots: 4, pages: 16);
            }
            catch (FrameException)
            {
                continue;
            }

            Assert.InRange(batch.RowCount, 1, 64);
            foreach (var sequence in batch.Sequences)
            {
                Assert.InRange(sequence.Slot, 0, 3);
                Assert.True(sequence.Pages.Count * 64 >= sequence.Start + sequence.RowCount);
                Assert.All(sequence.Pages, page => Assert.InRange(page, 0, 15));
            }
        }
    }

    [Fact]
    public void AStep_IsReadAsItWasWritten()
    {
        var batch = new StepBatch(64, 4, 16);
        batch.Add(3, [5, 1, 9], 60, [1, 2, 3, 4, 5, 6, 7, 8], LogitsWanted.Last);
        batch.Add(0, [2], 0, [1], LogitsWanted.None);
        batch.Add(1, [4], 7, [1, 2], LogitsWanted.All);
        var frame = new PinnedBuffer();
        StepFrame.Write(batch, frame);
        var read = new StepBatch(64, 4, 16);
        var reader = new PayloadReader(frame.Payload);
        StepFrame.Read(ref reader, read, [[], [], [], []], slots: 4, pages: 16);
        reader.End();

        Assert.Equal(batch.Positions, read.Positions);
        Assert.Equal(batch.SequenceOfRow, read.SequenceOfRow);
        Assert.Equal(batch.LogitsRows, read.LogitsRows);
        Assert.Equal([5, 1], read.Sequences[0].Pages); // as far as there are tokens
    }

    [Theory]
    [InlineData(7)]
    [InlineData(8)]
    public void RandomBytesAtAListener_CloseTheLinkAndNothingElse(int seed)
    {
        var random = new Random(seed);
        using var listener = new TensorListener(new IPEndPoint(IPAddress.Loopback, 0), SplitReplica.Options, threads: 1);
        for (var round = 0; round < 20; round++)
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            socket.Connect(IPEndPoint.Parse(listener.Address));
            var bytes = new byte[random.Next(16, 400)];
            random.NextBytes(bytes);
            socket.Send(bytes);
            socket.Shutdown(SocketShutdown.Send);
            try
            {
                Assert.Equal(0, socket.Receive(new byte[16]));
            }
            catch (SocketException reset)
            {
                Assert.Equal(SocketError.ConnectionReset, reset.SocketErrorCode);
            }
        }
    }

    [Fact]
    public void AWrongSecret_IsRefused()
    {
        using var listener = new TensorListener(new IPEndPoint(IPAddress.Loopback, 0), SplitReplica.Options, threads: 1);

        var refusal = Assert.Throws<PartLostException>(() => TensorLink.Dial(new PartEndpoint(listener.Address, "any"), new LinkOptions { Secret = "another secret" }));

        Assert.Contains("secret", refusal.Message, StringComparison.Ordinal);
        Assert.Contains(listener.Address, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WithoutASecret_OnlyTheLoopbackAddressIsListenedOn() =>
        Assert.Throws<InvalidOperationException>(() => new TensorListener(new IPEndPoint(IPAddress.Any, 0), new LinkOptions(), threads: 1));

    /// <summary>A right step with a few bytes or its length changed.</summary>
    private static byte[] Mutated(Random random)
    {
        var batch = new StepBatch(64, 4, 4);
        for (var i = 0; i < 3; i++)
        {
            batch.Add(random.Next(4), [1, 2, 3, 4], random.Next(100), new int[random.Next(1, 20)], LogitsWanted.Last);
        }

        var frame = new PinnedBuffer();
        StepFrame.Write(batch, frame);
        var bytes = frame.Payload.ToArray();
        for (var change = random.Next(4); change > 0; change--)
        {
            bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
        }

        return bytes[..random.Next(bytes.Length / 2, bytes.Length + 1)];
    }
}
