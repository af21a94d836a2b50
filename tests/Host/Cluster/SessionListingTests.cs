using Loire.Contracts;
using Loire.Silo.Models;
using Loire.Silo.Cluster;

namespace Loire.Host.Tests;

public sealed class SessionListingTests
{
    [Fact]
    public Task Sessions_are_listed_newest_first_page_by_page() => World.RunAsync(async world =>
    {
        foreach (var id in new[] { "a", "b", "c", "d", "e" })
        {
            await world.RunTurnAsync("hello", "t1", id);
            world.Time.Advance(TimeSpan.FromSeconds(1));
        }

        var listing = new SessionListing(world.Store, new ModelCatalog([World.Model]));
        var listed = new List<SessionView>();
        string? after = null;
        do
        {
            var page = await listing.ReadAsync(SessionKey.LocalOwner, after, limit: 2);
            listed.AddRange(page.Sessions);
            after = page.Next;
        }
        while (after is not null);

        Assert.Equal(["e", "d", "c", "b", "a"], listed.Select(session => session.Id));
        Assert.All(listed, session => Assert.Equal(("bytes", 1, 8), (session.Model, session.Turns, session.Tokens)));
        Assert.Empty((await listing.ReadAsync("nobody", null, 10)).Sessions);
    });

    [Fact]
    public Task A_limit_or_cursor_that_is_none_is_refused() => World.RunAsync(async world =>
    {
        var listing = new SessionListing(world.Store, new ModelCatalog([World.Model]));
        Assert.Equal("limit", (await Assert.ThrowsAsync<ClusterException>(() => listing.ReadAsync("local", null, 0))).Field);
        Assert.Equal("after", (await Assert.ThrowsAsync<ClusterException>(() => listing.ReadAsync("local", "??", 1))).Field);
    });
}
