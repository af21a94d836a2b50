using System.Collections.Immutable;
using Loire.Contracts;
using Loire.Text;
using Microsoft.AspNetCore.Http;

namespace Loire.Gateway.Tests;

/// <summary>The path of a token shares its cores with the engine: it must cost next to nothing.</summary>
public sealed class EventStreamCostTests
{
    private const int Tokens = 20_000;

    [Fact]
    public async Task Sending_a_token_allocates_nothing_in_steady_state()
    {
        await SendAsync(Tokens); // everything is compiled and every buffer rented

        var before = GC.GetAllocatedBytesForCurrentThread();
        await SendAsync(Tokens);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.InRange((double)allocated / Tokens, 0, 8);
    }

    private static async Task SendAsync(int tokens)
    {
        var http = new DefaultHttpContext();
        http.Response.Body = Stream.Null;
        var model = new ServedModel(DemoModel.View(), DemoModel.Tokenizer, ChatFormat.Load(DemoModel.Folder), null, new GenerationDefaults());
        var turn = new OpenTurn
        {
            Model = model,
            Session = "s",
            TurnId = "t",
            Seed = 1,
            Start = new TurnStart(10, 0, StateSource.Prefill),
            Events = new ReadyEvents(tokens),
        };
        using var stream = new EventStream(http, new ChatAnswer(turn, 1, includeUsage: true), includeUsage: true);
        await stream.SendAsync(turn);
    }

    /// <summary>Events that are always at hand, the same one over and over.</summary>
    private sealed class ReadyEvents(int tokens) : IAsyncEnumerator<TurnEvent>
    {
        private static readonly TurnEvent Token = TurnEvent.Of(new TokenChunk([17], " né\n", ImmutableArray<TokenLogProb>.Empty));

        private static readonly TurnEvent End = TurnEvent.Of(new TurnFinish { Reason = FinishReason.Stop, PromptTokens = 10, CachedTokens = 0, GeneratedTokens = 1 });

        private int _sent;

        public TurnEvent Current => _sent <= tokens ? Token : End;

        public ValueTask<bool> MoveNextAsync() => ValueTask.FromResult(++_sent <= tokens + 1);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
