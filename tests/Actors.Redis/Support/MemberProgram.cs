using System.Globalization;
using Orleans.Runtime;

namespace Loire.Actors.Redis.Tests;

/// <summary>A member of a cluster in a process of its own, that can be killed and frozen. Answers each line on its input with one line.</summary>
internal static class MemberProgram
{
    private static async Task<int> Main(string[] arguments)
    {
        if (arguments is not ["member", var redis, var cluster, var port, var profile])
        {
            await Console.Error.WriteLineAsync("usage: member REDIS CLUSTER PORT default|fast. The tests themselves run with dotnet test.");
            return 2;
        }

        var address = SiloAddress.New(System.Net.IPAddress.Loopback, int.Parse(port, CultureInfo.InvariantCulture), 1);
        await using var member = await TestMember.JoinAsync(redis, cluster, profile == "fast" ? TestMember.Fast : null, address);
        Console.WriteLine($"joined {member.Lease.Epoch}");
        while (await Console.In.ReadLineAsync() is { } line)
        {
            Console.WriteLine(await AnswerAsync(member, line.Split(' ')));
        }

        await member.LeaveAsync();
        return 0;
    }

    private static async Task<string> AnswerAsync(TestMember member, string[] words)
    {
        switch (words)
        {
            case ["held"]:
                return $"held {member.Lease.IsHeld}";
            case ["register", var grain]:
                try
                {
                    var winner = await member.Directory.Register(Grains.Address(member.Address, grain));
                    return $"winner {winner?.SiloAddress}";
                }
                catch (StaleMemberException exception)
                {
                    return $"stale {exception.Message}";
                }

            case ["lost"]:
                await WhenLost.Of(member);
                return $"lost {member.Lease.LostReason}";
            default:
                return "unknown";
        }
    }
}

/// <summary>Identities for tests.</summary>
internal static class Grains
{
    public static GrainId Id(string key) => GrainId.Create("test", key);

    public static GrainAddress Address(SiloAddress silo, string key) => new() { GrainId = Id(key), ActivationId = ActivationId.NewId(), SiloAddress = silo };
}

/// <summary>The end of a lease as a task.</summary>
internal static class WhenLost
{
    public static async Task Of(TestMember member)
    {
        var lost = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = member.Lease.Lost.Register(lost.SetResult);
        try
        {
            await lost.Task.WaitAsync(TimeSpan.FromSeconds(30));
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"{member.Address} waited for its lease to be lost; it is {(member.Lease.IsHeld ? "held" : "not held")}. Log: {member.Log}");
        }
    }
}
