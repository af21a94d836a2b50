using Orleans;
using Orleans.Placement;
using Orleans.Runtime;

namespace Loire.Actors.Tests;

public interface IAnywhereGrain : IGrainWithStringKey
{
    Task<string> Where();
}

public interface INearGrain : IGrainWithStringKey
{
    Task<string> Where();
}

public interface IHashedGrain : IGrainWithStringKey
{
    Task<string> Where();

    Task End();
}

public interface IOrderGrain : IGrainWithStringKey
{
    /// <summary>How many calls have started before this one.</summary>
    Task<int> Next([Immutable] byte[] bytes);
}

[RandomPlacement]
internal sealed class AnywhereGrain(ILocalSiloDetails local) : Grain, IAnywhereGrain
{
    public Task<string> Where() => Task.FromResult(local.SiloAddress.ToParsableString());
}

[PreferLocalPlacement]
internal sealed class NearGrain(ILocalSiloDetails local) : Grain, INearGrain
{
    public Task<string> Where() => Task.FromResult(local.SiloAddress.ToParsableString());
}

[HashBasedPlacement]
internal sealed class HashedGrain(ILocalSiloDetails local) : Grain, IHashedGrain
{
    public Task<string> Where() => Task.FromResult(local.SiloAddress.ToParsableString());

    public Task End()
    {
        DeactivateOnIdle();
        return Task.CompletedTask;
    }
}

internal sealed class OrderGrain : Grain, IOrderGrain
{
    private int _calls;

    public Task<int> Next(byte[] bytes) => Task.FromResult(_calls++);
}
