namespace Loire.Engine.Tests.Sampling;

/// <summary>Rows as language models give them: probabilities that fall with a power of the rank.</summary>
internal static class PeakedRows
{
    /// <param name="random">Of noise, scale and order of the tokens.</param>
    /// <param name="vocabulary">Tokens.</param>
    /// <param name="power">From 1.5, where 64 of 32,768 tokens have nine tenths of the probability, to 3.5, where one token has.</param>
    public static float[] Row(Random random, int vocabulary, double power)
    {
        var tokens = Enumerable.Range(0, vocabulary).ToArray();
        random.Shuffle(tokens);
        var row = new float[vocabulary];
        var max = 10 + (20 * random.NextDouble());
        for (var rank = 0; rank < vocabulary; rank++)
        {
            row[tokens[rank]] = (float)(max - (power * Math.Log(rank + 1)) - (random.NextDouble() * 0.7));
        }

        return row;
    }
}
