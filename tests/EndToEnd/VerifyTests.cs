using Loire.EndToEnd.Tests.Running;

namespace Loire.EndToEnd.Tests;

/// <summary>The models in the repository give their reference's logits, cut in one and cut in many.</summary>
public sealed class VerifyTests
{
    [Theory]
    [InlineData("minimax", "1", "1")]
    [InlineData("minimax", "2", "4")]
    [InlineData("minimax_text01", "1", "1")]
    [InlineData("minimax_text01", "2", "4")]
    public async Task A_fixture_is_verified(string fixture, string stages, string shards)
    {
        var result = await CommandProcess.RunAsync("verify", "--model", Demo.Fixture(fixture), "--stages", stages, "--shards", shards);

        Assert.True(result.ExitCode == 0, result.ToString());
        Assert.Contains("verified", result.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1", "1")]
    [InlineData("2", "4")]
    public async Task The_demo_model_is_verified_and_its_conversations_come_out_word_for_word(string stages, string shards)
    {
        var result = await CommandProcess.RunAsync("verify", "--model", Demo.Model, "--stages", stages, "--shards", shards);

        Assert.True(result.ExitCode == 0, result.ToString());
        Assert.Contains("4/4 word for word", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_is_verified_below_its_rounding()
    {
        var result = await CommandProcess.RunAsync("verify", "--model", Demo.Fixture("minimax"), "--tolerance", "1e-12");

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("NOT verified", result.Output, StringComparison.Ordinal);
    }
}
