namespace Loire.Kernels.Tests;

public sealed class RopeReferenceTests
{
    [Fact]
    public void Products_of_queries_and_keys_depend_on_how_far_apart_they_are()
    {
        var frequencies = RopeReference.InverseFrequencies(8, 1e4);

        Assert.Equal(Product(frequencies, 5, 2), Product(frequencies, 105, 102), tolerance: 1e-5);
        Assert.NotEqual(Product(frequencies, 5, 2), Product(frequencies, 5, 3), tolerance: 1e-3);
    }

    [Fact]
    public void Channels_beyond_the_turned_ones_stay_as_they_are()
    {
        double[] head = [1, 2, 3, 4, 5, 6];

        RopeReference.Turn(head, RopeReference.InverseFrequencies(4, 1e7), position: 9);

        Assert.Equal([5.0, 6.0], head[4..]);
        Assert.Equal(1 + 9, (head[0] * head[0]) + (head[2] * head[2]), tolerance: 1e-9); // a pair keeps its length
    }

    private static double Product(float[] frequencies, int queryPosition, int keyPosition)
    {
        double[] query = [1, 2, 3, 4, 5, 6, 7, 8];
        double[] key = [8, -7, 6, 5, -4, 3, 2, 1];
        RopeReference.Turn(query, frequencies, queryPosition);
        RopeReference.Turn(key, frequencies, keyPosition);
        return query.Zip(key, (a, b) => a * b).Sum();
    }
}
