using Loire.Cli.Terminal;

namespace Loire.Operations.Tests;

/// <summary>What <c>--device</c> takes.</summary>
public sealed class DeviceChoiceTests
{
    [Theory]
    [InlineData("cpu", false, 0, false)]
    [InlineData("cuda", true, 0, true)]
    [InlineData("cuda:3", true, 3, true)]
    [InlineData("auto", true, 0, false)]
    public void A_device_is_named(string text, bool isCuda, int ordinal, bool isDemanded) =>
        Assert.Equal(new DeviceChoice(isCuda, ordinal, isDemanded), DeviceChoice.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("gpu")]
    [InlineData("cuda:")]
    [InlineData("cuda:-1")]
    [InlineData("cuda:x")]
    public void Anything_else_is_not(string text) => Assert.Null(DeviceChoice.Parse(text));
}
