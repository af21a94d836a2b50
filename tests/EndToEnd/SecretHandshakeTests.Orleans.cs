using System.IO.Pipelines;
using System.Security.Cryptography;
using Loire.Cli.Cluster;
using Loire.EndToEnd.Tests.Running;
using Microsoft.AspNetCore.Connections;

namespace Loire.EndToEnd.Tests;

/// <summary>A connection of Orleans carries nothing before both of its sides have proved that they know the cluster's secret.</summary>
public sealed class SecretHandshakeTests
{
    private static readonly SecretHandshake s_ours = new("a secret of this cluster", "loire");

    [Fact]
    public async Task Two_that_know_the_secret_go_on_and_nothing_that_follows_is_lost()
    {
        var (dialling, accepting) = Pair();

        await Task.WhenAll(s_ours.DialAsync(dialling, Deadline.Token()), s_ours.AcceptAsync(accepting, Deadline.Token()));

        await dialling.Output.WriteAsync(new byte[] { 1, 2, 3 });
        Assert.Equal(3, (await accepting.Input.ReadAsync(Deadline.Token())).Buffer.Length);
    }

    [Theory]
    [InlineData("another secret", "loire")]
    [InlineData("a secret of this cluster", "another cluster")]
    public async Task Another_secret_or_cluster_is_refused_by_the_side_that_accepts_before_it_proves_anything(string secret, string cluster)
    {
        var (dialling, accepting) = Pair();
        var stranger = new SecretHandshake(secret, cluster).DialAsync(dialling, Deadline.Token());

        await Assert.ThrowsAsync<ConnectionAbortedException>(() => s_ours.AcceptAsync(accepting, Deadline.Token()));

        await accepting.Output.CompleteAsync();
        await Assert.ThrowsAsync<ConnectionAbortedException>(() => stranger); // it got a nonce, and no proof
    }

    [Fact]
    public async Task A_side_that_accepts_without_knowing_the_secret_is_refused()
    {
        var (dialling, accepting) = Pair();
        var dial = s_ours.DialAsync(dialling, Deadline.Token());

        await accepting.Input.ReadAtLeastAsync(32);
        await accepting.Output.WriteAsync(RandomNumberGenerator.GetBytes(64));

        await Assert.ThrowsAsync<ConnectionAbortedException>(() => dial);
    }

    [Fact]
    public async Task What_a_side_has_said_is_no_proof_when_it_is_sent_back()
    {
        var (dialling, mirror) = Pair();
        var dial = s_ours.DialAsync(dialling, Deadline.Token());
        for (var part = 0; part < 2; part++)
        {
            var said = await mirror.Input.ReadAtLeastAsync(32);
            await mirror.Output.WriteAsync(said.Buffer.First);
            mirror.Input.AdvanceTo(said.Buffer.End);
        }

        await Assert.ThrowsAsync<ConnectionAbortedException>(() => dial);
    }

    private static (IDuplexPipe Dialling, IDuplexPipe Accepting) Pair()
    {
        var (there, back) = (new Pipe(), new Pipe());
        return (new End(back.Reader, there.Writer), new End(there.Reader, back.Writer));
    }

    private sealed record End(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
