using System.ClientModel;
using OpenAI;
using OpenAI.Chat;

namespace Loire.Gateway.Tests;

/// <summary>OpenAI's own client for .NET understands what this gateway says.</summary>
public sealed class OpenAiClientTests
{
    [Fact]
    public async Task It_reads_an_answer_in_one_piece()
    {
        await using var gateway = await TestGateway.StartAsync();

        ChatCompletion answer = await Client(gateway).CompleteChatAsync([new SystemChatMessage("Be brief."), new UserChatMessage("Hi")], new ChatCompletionOptions { Temperature = 0, IncludeLogProbabilities = true, TopLogProbabilityCount = 2 });

        Assert.Equal("Hello there.", Assert.Single(answer.Content).Text);
        Assert.Equal(ChatFinishReason.Stop, answer.FinishReason);
        Assert.Equal(0, answer.Usage.InputTokenDetails.CachedTokenCount);
        Assert.Equal(answer.Usage.TotalTokenCount, answer.Usage.InputTokenCount + answer.Usage.OutputTokenCount);
        Assert.NotEmpty(answer.ContentTokenLogProbabilities);
    }

    [Fact]
    public async Task It_reads_a_stream_with_its_usage()
    {
        await using var gateway = await TestGateway.StartAsync();
        var text = "";
        ChatTokenUsage? usage = null;
        ChatFinishReason? reason = null;

        await foreach (var update in Client(gateway).CompleteChatStreamingAsync(new UserChatMessage("Hi")))
        {
            text += string.Concat(update.ContentUpdate.Select(part => part.Text));
            usage = update.Usage ?? usage;
            reason = update.FinishReason ?? reason;
        }

        Assert.Equal("Hello there.", text);
        Assert.True(usage?.OutputTokenCount > 0);
        Assert.Equal(ChatFinishReason.Stop, reason);
    }

    [Fact]
    public async Task It_reads_a_refusal()
    {
        await using var gateway = await TestGateway.StartAsync();

        var refusal = await Assert.ThrowsAsync<ClientResultException>(() => Client(gateway, "unknown").CompleteChatAsync(new UserChatMessage("Hi")));

        Assert.Equal(404, refusal.Status);
        Assert.Contains("unknown", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_lists_models()
    {
        await using var gateway = await TestGateway.StartAsync();

        var models = await new OpenAIClient(new ApiKeyCredential("unused"), Options(gateway)).GetOpenAIModelClient().GetModelsAsync();

        Assert.Equal(DemoModel.Id, Assert.Single(models.Value).Id);
    }

    private static ChatClient Client(TestGateway gateway, string model = DemoModel.Id) => new(model, new ApiKeyCredential("unused"), Options(gateway));

    private static OpenAIClientOptions Options(TestGateway gateway) => new() { Endpoint = new Uri(gateway.Http.BaseAddress!, "v1") };
}
