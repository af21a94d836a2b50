using System.Net.Http.Headers;

namespace Loire.Gateway.Tests;

/// <summary>Counts what the whole process allocates, so nothing else may run beside it.</summary>
[Collection(Alone)]
public sealed class BodyCostTests
{
    private const string Alone = "alone";

    [Fact]
    public async Task A_hundred_megabytes_are_refused_without_being_kept()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var content = new ByteArrayContent(new byte[100 << 20]);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        var before = GC.GetTotalAllocatedBytes();

        using var response = await gateway.Http.PostAsync("/v1/chat/completions", content);

        Assert.Equal(413, (await ApiError.ReadAsync(response)).Status);
        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 32 << 20);
    }

    [CollectionDefinition(Alone, DisableParallelization = true)]
    public sealed class AloneCollection;
}
