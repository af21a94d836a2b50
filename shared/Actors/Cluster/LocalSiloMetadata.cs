using Microsoft.Extensions.Options;
using Orleans.Runtime;
using Orleans.Runtime.MembershipService.SiloMetadata;

namespace Loire.Actors;

/// <summary>What the one silo says about itself.</summary>
internal sealed class LocalSiloMetadata(ILocalSiloDetails local, IOptions<SiloMetadata> own) : ISiloMetadataCache
{
    public SiloMetadata GetSiloMetadata(SiloAddress siloAddress) => siloAddress == local.SiloAddress ? own.Value : SiloMetadata.Empty;
}
