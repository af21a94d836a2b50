namespace Loire.Kernels.Tests;

public sealed class SyntheticTests
{
    [Fact]
    public void Numbers_are_even_between_the_bounds_and_differ_by_seed()
    {
        const int Count = 100_000;
        var numbers = Enumerable.Range(0, Count).Select(i => (double)SyntheticReference.At(new SyntheticSequence(1, 0, 2), i)).ToArray();
        var others = Enumerable.Range(0, Count).Select(i => (double)SyntheticReference.At(new SyntheticSequence(2, 0, 2), i)).ToArray();

        Assert.All(numbers, number => Assert.InRange(number, -2, 2));
        Assert.InRange(numbers.Average(), -0.02, 0.02); // 5 deviations of a mean of uniform numbers
        Assert.InRange(numbers.Average(number => number * number), 4 / 3.0 * 0.98, 4 / 3.0 * 1.02);
        Assert.InRange(numbers.Zip(others, (a, b) => a * b).Average(), -0.03, 0.03);
    }

    [Fact]
    public void A_sequence_that_begins_later_goes_on_where_the_other_does()
    {
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(SyntheticReference.At(new SyntheticSequence(7, 0, 1), 1000 + i), SyntheticReference.At(new SyntheticSequence(7, 1000, 1), i));
        }
    }

    [Fact]
    public void A_slice_of_columns_has_the_numbers_of_the_whole()
    {
        const int width = 11;
        const int firstColumn = 4;
        var whole = new SyntheticSequence(7, 1000, 1);
        var slice = whole with { First = whole.First + firstColumn };
        for (var row = 0; row < 5; row++)
        {
            for (var column = 0; column < width - firstColumn; column++)
            {
                Assert.Equal(SyntheticReference.At(whole, (row * width) + firstColumn + column), SyntheticReference.At(slice, row, column, width));
            }
        }
    }
}
