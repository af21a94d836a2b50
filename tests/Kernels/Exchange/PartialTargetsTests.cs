namespace Loire.Kernels.Tests;

public sealed class PartialTargetsTests
{
    [Fact]
    public void Addresses_stand_in_the_parameters_in_their_order()
    {
        var targets = new PartialTargets([16, 32, 48], [1, 2, 3], part: 1, parts: 2);

        var parameters = new PartialSums.Parameters(new PartialTerms { Rows = 1, Hidden = 4, Choices = 3 }, targets);

        Assert.Equal<ulong>([16, 32, 48, 0, 0, 0, 0, 0], [.. parameters.TargetSums]);
        Assert.Equal<ulong>([1, 2, 3, 0, 0, 0, 0, 0], [.. parameters.TargetSquares]);
        Assert.Equal((3, 1, 2), (parameters.Targets, parameters.Part, parameters.Parts));
        Assert.Equal(0, parameters.Choices); // as there are no terms
    }

    [Fact]
    public void What_no_push_could_write_to_is_refused()
    {
        Assert.Throws<ArgumentException>(() => new PartialTargets([], [], 0, 1));
        Assert.Throws<ArgumentException>(() => new PartialTargets([16, 16, 16, 16, 16, 16, 16, 16, 16], [], 0, 1));
        Assert.Throws<ArgumentException>(() => new PartialTargets([16, 0], [], 0, 1));
        Assert.Throws<ArgumentException>(() => new PartialTargets([16, 32], [16], 0, 1));
        Assert.Throws<ArgumentException>(() => new PartialTargets([16], [], 1, 1));
        Assert.Throws<ArgumentException>(() => new PartialTargets([16], [], 0, 9));
    }
}
