using Orleans.Runtime;

namespace Loire.Actors.Tests;

public sealed class CallTests
{
    [Fact]
    public async Task A_grain_activates_on_its_first_call_and_stays_the_same_activation()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<ICallGrain>();
        Assert.Equal(0, silo.Runtime.Audit().Activations);

        var calls = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => Task.Run(() => silo.Grain<ICallGrain>().Identity())));

        Assert.Single(calls.Distinct());
        Assert.Equal(calls[0], await grain.Identity());
        Assert.Equal(1, silo.Runtime.Audit().Activations);
    }

    [Fact]
    public async Task Calls_return_tasks_and_value_tasks_with_and_without_a_result()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<ICallGrain>("a/b c");

        Assert.Equal("a/b c", await grain.Key());
        Assert.Equal(5, await grain.Add(2, 3));
        Assert.Equal(7, await grain.AddValue(3, 4));
        await grain.Nothing();
    }

    [Fact]
    public async Task An_exception_reaches_the_caller_with_type_and_message()
    {
        await using var silo = await TestSilo.StartAsync();

        var exception = await Assert.ThrowsAsync<InvalidOperationException>(() => silo.Grain<ICallGrain>().Fail("no such token"));

        Assert.Equal("no such token", exception.Message);
    }

    [Fact]
    public async Task A_one_way_call_returns_at_once_and_its_failure_is_nobodys()
    {
        await using var silo = await TestSilo.StartAsync();

        await silo.Grain<ICallGrain>().Tell("told");

        await silo.Board.Seen("told");
        Assert.Equal(2, await silo.Grain<ICallGrain>().Add(1, 1));
    }

    [Fact]
    public async Task The_request_context_flows_down_the_calls_and_not_back_up()
    {
        await using var silo = await TestSilo.StartAsync();
        RequestContext.Set("trace", "t-1");

        Assert.Equal("t-1", await silo.Grain<ICallGrain>("a").ContextThrough("b", "trace"));

        Assert.Equal("t-1", RequestContext.Get("trace"));
        RequestContext.Clear();
        Assert.Null(await silo.Grain<ICallGrain>("a").ContextValue("trace"));
    }

    [Fact]
    public async Task A_grain_that_passes_itself_passes_a_reference()
    {
        await using var silo = await TestSilo.StartAsync();

        Assert.True(await silo.Grain<ICallGrain>("a").PassSelf(silo.Grain<ICallGrain>("b")));
    }

    [Fact]
    public async Task What_can_change_is_copied_both_ways()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<ICallGrain>();
        var numbers = new List<int> { 1 };
        var tree = new Tree { Name = "root", Children = [new Tree { Name = "child" }], Numbers = { ["a"] = [1, 2] } };

        var answer = await grain.Mutable(numbers);
        var echo = await grain.Echo(tree);

        Assert.Equal([1], numbers);
        Assert.Equal([1, 99], answer);
        Assert.Equal("root", tree.Name);
        Assert.Equal("root seen", echo.Name);
        Assert.NotSame(tree.Children[0], echo.Children[0]);
        Assert.NotSame(tree.Numbers["a"], echo.Numbers["a"]);
        Assert.Equal([1, 2], echo.Numbers["a"]);
    }

    [Fact]
    public async Task What_is_marked_immutable_is_not_copied()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<ICallGrain>();
        var leaf = new Leaf("leaf", [1]);
        int[] numbers = [1, 2];

        Assert.Same(leaf, await grain.EchoImmutable(leaf));
        Assert.Same(numbers, await grain.Shared(numbers));
    }

    [Fact]
    public async Task A_key_that_is_empty_is_refused()
    {
        await using var silo = await TestSilo.StartAsync();

        Assert.Throws<ArgumentException>(() => silo.Grain<ICallGrain>(""));
    }
}
