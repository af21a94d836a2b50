using Orleans;

namespace Loire.Actors.Tests;

public interface ISpeedGrain : IGrainWithStringKey
{
    IAsyncEnumerable<int> Items(int count);

    [ResponseTimeout("00:05:00")]
    Task CallMany(string other, int count, [Immutable] byte[] bytes);
}

internal sealed class SpeedGrain : Grain, ISpeedGrain
{
    public async IAsyncEnumerable<int> Items(int count)
    {
        for (var item = 0; item < count; item++)
        {
            yield return item;
        }

        await Task.CompletedTask;
    }

    public async Task CallMany(string other, int count, byte[] bytes)
    {
        var grain = GrainFactory.GetGrain<ICallGrain>(other);
        for (var call = 0; call < count; call++)
        {
            await grain.LengthValue(bytes);
        }
    }
}
