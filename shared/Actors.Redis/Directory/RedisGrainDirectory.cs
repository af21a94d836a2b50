using System.Globalization;
using Microsoft.Extensions.Options;
using Orleans.GrainDirectory;
using Orleans.Runtime;
using StackExchange.Redis;

namespace Loire.Actors.Redis;

/// <summary>Where the cluster's activations are, as Redis holds it: one entry a grain, which counts as long as its silo is a member.</summary>
/// <remarks>Every operation is one script, and one round trip. A silo that is not sure of its lease registers nothing.</remarks>
internal sealed class RedisGrainDirectory(
    RedisLink link, ClusterKeys keys, ClusterWatch watch, MembershipView view, IOptions<RedisLeaseOptions> options, MemberLease? lease) : IGrainDirectory
{
    private readonly long _retention = (long)options.Value.DeadRetention.TotalMilliseconds;

    /// <exception cref="StaleMemberException">The silo is not a member, so its activation must not be.</exception>
    public Task<GrainAddress?> Register(GrainAddress address) => Register(address, null);

    /// <exception cref="StaleMemberException">The silo is not a member, so its activation must not be.</exception>
    public async Task<GrainAddress?> Register(GrainAddress address, GrainAddress? previousAddress)
    {
        ArgumentNullException.ThrowIfNull(address);
        var silo = SiloOf(address);
        if (lease is { IsHeld: false })
        {
            throw new StaleMemberException(silo, $"Registering {address.GrainId}", lease.LostReason);
        }

        var entry = DirectoryEntry.ToText(address, silo, lease?.Epoch ?? 0, view.CurrentSnapshot.Version);
        var result = await link.EvalAsync(
            RedisScript.Register,
            [.. keys.WithIndexOf(silo.ToParsableString()), .. previousAddress is null ? [] : keys.WithIndexOf(SiloOf(previousAddress).ToParsableString())[^1..]],
            [keys.Channel, _retention, address.GrainId.ToString(), silo.ToParsableString(), entry, .. DirectoryEntry.Previous(previousAddress)],
            $"Registering {address.GrainId} on {silo}");
        if (result.IsNull)
        {
            lease?.Lose("it is not among the members");
            throw new StaleMemberException(silo, $"Registering {address.GrainId}", lease?.LostReason);
        }

        return DirectoryEntry.Parse(address.GrainId, result.Text());
    }

    public Task Unregister(GrainAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        var silo = SiloOf(address).ToParsableString();
        var activation = address.ActivationId.IsDefault ? "" : DirectoryEntry.TextOf(address.ActivationId);
        return link.EvalAsync(
            RedisScript.Unregister,
            keys.WithIndexOf(silo),
            [keys.Channel, _retention, address.GrainId.ToString(), silo, activation],
            $"Unregistering {address.GrainId} from {silo}");
    }

    public async Task<GrainAddress?> Lookup(GrainId grainId)
    {
        var result = await link.EvalAsync(
            RedisScript.Lookup, keys.WithDirectory, [keys.Channel, _retention, grainId.ToString()], $"Looking up {grainId}");
        return result.IsNull ? null : DirectoryEntry.Parse(grainId, result.Text());
    }

    /// <summary>Removes all entries of silos that are dead; those of a silo that lives stay.</summary>
    public async Task UnregisterSilos(List<SiloAddress> siloAddresses)
    {
        ArgumentNullException.ThrowIfNull(siloAddresses);
        foreach (var silo in siloAddresses)
        {
            await watch.SweepAsync(silo.ToParsableString(), CancellationToken.None);
        }
    }

    private static SiloAddress SiloOf(GrainAddress address) =>
        address.SiloAddress ?? throw new ArgumentException($"The address of {address.GrainId} names no silo.", nameof(address));

    /// <summary>An entry's text: <c>silo activation epoch version</c>.</summary>
    private static class DirectoryEntry
    {
        public static string ToText(GrainAddress address, SiloAddress silo, long epoch, MembershipVersion version) =>
            string.Create(CultureInfo.InvariantCulture, $"{silo} {TextOf(address.ActivationId)} {epoch} {version.Value}");

        /// <summary>What may be replaced though its silo lives: silo and activation; nothing when there is nothing.</summary>
        public static RedisValue[] Previous(GrainAddress? address) =>
            address is null ? [] : [SiloOf(address).ToParsableString(), address.ActivationId.IsDefault ? "" : TextOf(address.ActivationId)];

        public static string TextOf(ActivationId activation) => activation.Key.ToString("N");

        public static GrainAddress Parse(GrainId grainId, string text) =>
            text.Split(' ') is [var silo, var activation, _, var version]
            && SiloAddress.TryParse(silo, out var siloAddress)
            && Guid.TryParseExact(activation, "N", out var key)
            && long.TryParse(version, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
                ? new() { GrainId = grainId, SiloAddress = siloAddress, ActivationId = new(key), MembershipVersion = new(number) }
                : throw new OrleansException($"The directory entry of {grainId} is '{text}'; it should be 'silo activation epoch version'. Remove it with HDEL.");
    }
}
