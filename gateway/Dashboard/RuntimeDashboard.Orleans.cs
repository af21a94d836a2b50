using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;
using Orleans.Dashboard;

namespace Loire.Gateway;

/// <summary>The dashboard of Microsoft Orleans at <c>/orleans</c>: silos, grains and their calls. For operators, since it shows the sessions of everybody.</summary>
internal static class RuntimeDashboard
{
    private const string Path = "/orleans";

    public static void AddTo(IServiceCollection services)
    {
        // Not AddAuthentication: it would keep keys for cookies, which nothing here uses, in the home directory.
        services.AddAuthenticationCore(authentication => authentication.DefaultScheme = OperatorAuthentication.Scheme);
        services.AddWebEncoders();
        new AuthenticationBuilder(services)
            .AddScheme<AuthenticationSchemeOptions, OperatorAuthentication>(OperatorAuthentication.Scheme, configureOptions: null);
        services.AddAuthorization();
    }

    /// <summary>Maps it where the actor runtime of this process collects what it shows; tests have no runtime.</summary>
    public static void Map(WebApplication app)
    {
        if (app.Services.GetServices<IConfigureOptions<DashboardOptions>>().Any())
        {
            app.MapOrleansDashboard(Path).RequireAuthorization();
        }
    }
}
