using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Hosting;

namespace Orleans.Runtime.MembershipService.SiloMetadata;

/// <summary>What a silo says about itself.</summary>
public static class SiloMetadataHostingExtensions
{
    /// <summary>Says what the configuration section <c>Orleans:Metadata</c> holds.</summary>
    public static ISiloBuilder UseSiloMetadata(this ISiloBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.UseSiloMetadata(builder.Configuration.GetSection("Orleans:Metadata").Get<Dictionary<string, string>>() ?? []);
    }

    /// <summary>Says this.</summary>
    public static ISiloBuilder UseSiloMetadata(this ISiloBuilder builder, Dictionary<string, string> metadata)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        return builder.ConfigureServices(services => services.AddOptions<SiloMetadata>().Configure(options => options.AddMetadata(metadata)));
    }
}
