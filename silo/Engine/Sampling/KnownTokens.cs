namespace Loire.Engine.Sampling;

/// <summary>A candidate on its way through a draw.</summary>
/// <param name="Token">Of the vocabulary.</param>
/// <param name="Logit">With penalties and bias.</param>
internal record struct KnownToken(int Token, float Logit)
{
    /// <summary>At the temperature, from 0 to 1.</summary>
    public float Weight { get; private set; }

    /// <summary>The weight where it is certain that the filters keep the token, 0 otherwise.</summary>
    public float Least { get; private set; }

    /// <summary>0 where it is certain that they drop it, the weight otherwise.</summary>
    public float Most { get; private set; }

    public void Weigh(float weight) => Weight = Least = Most = weight;

    public void Doubt() => Least = 0;

    public void Drop() => Least = Most = 0;
}

/// <summary>The candidates of one draw, in whichever order it needs. One a thread, shared by all samplers that run there.</summary>
internal sealed class KnownTokens
{
    [ThreadStatic]
    private static KnownTokens? t_known;

    private readonly KnownToken[] _tokens;
    private readonly ulong[] _keys;
    private readonly float[] _logits;
    private readonly float[] _weights;
    private int _count;

    private KnownTokens(int count)
    {
        _tokens = new KnownToken[count];
        _keys = new ulong[count];
        _logits = new float[count];
        _weights = new float[count];
    }

    public Span<KnownToken> Tokens => _tokens.AsSpan(0, _count);

    /// <summary>Their greatest logit, with penalties and bias.</summary>
    public float Max { get; private set; }

    /// <summary>The lowest token that has it.</summary>
    public int Best { get; private set; }

    /// <summary>That of this thread, grown to the most candidates that it has met, with the given ones.</summary>
    public static KnownTokens Of(in LogitCandidates candidates, TokenPenalties penalties)
    {
        var count = candidates.Tokens.Length;
        if (t_known is null || t_known._tokens.Length < count)
        {
            t_known = new KnownTokens(count);
        }

        t_known.Fill(candidates, penalties);
        return t_known;
    }

    /// <summary>Gives each token its weight, to the bit that which the whole row would give it.</summary>
    public void Weigh(float scale)
    {
        var tokens = Tokens;
        for (var i = 0; i < tokens.Length; i++)
        {
            _logits[i] = tokens[i].Logit;
        }

        LogitVectors.Exponentials(_logits.AsSpan(0, _count), Max, scale, _weights);
        for (var i = 0; i < tokens.Length; i++)
        {
            tokens[i].Weigh(_weights[i]);
        }
    }

    /// <summary>The greatest first.</summary>
    public void SortByLogit() => Sort(token => ~Ordered(token.Logit));

    /// <summary>The heaviest first, the lower token among equals.</summary>
    public void SortByWeight() => Sort(token => ~Ordered(token.Weight));

    public void SortByToken() => Sort(_ => 0);

    private void Fill(in LogitCandidates candidates, TokenPenalties penalties)
    {
        _count = candidates.Tokens.Length;
        (Max, Best) = (float.NegativeInfinity, -1);
        for (var i = 0; i < _count; i++)
        {
            var token = candidates.Tokens[i];
            var logit = penalties.Adjust(token, candidates.Logits[i]);
            _tokens[i] = new KnownToken(token, logit);
            if (logit > Max || (logit == Max && token < Best))
            {
                (Max, Best) = (logit, token);
            }
        }
    }

    private void Sort(Func<KnownToken, uint> rank)
    {
        for (var i = 0; i < _count; i++)
        {
            _keys[i] = ((ulong)rank(_tokens[i]) << 32) | (uint)_tokens[i].Token;
        }

        Array.Sort(_keys, _tokens, 0, _count);
    }

    /// <summary>An integer that orders as the float does.</summary>
    private static uint Ordered(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return (bits >> 31) == 0 ? bits | (1u << 31) : ~bits;
    }
}
