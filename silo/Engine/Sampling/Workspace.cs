namespace Loire.Engine.Sampling;

/// <summary>Room for one draw: four numbers a token of the vocabulary. One a thread, shared by all samplers that run there.</summary>
internal sealed class Workspace
{
    [ThreadStatic]
    private static Workspace? t_workspace;

    private Workspace(int vocabularySize)
    {
        Logits = new float[vocabularySize];
        Weights = new float[vocabularySize];
        Tokens = new int[vocabularySize];
        Chosen = new float[vocabularySize];
    }

    /// <summary>Logits with penalties and bias.</summary>
    public float[] Logits { get; }

    /// <summary>A weight for each token of the vocabulary.</summary>
    public float[] Weights { get; }

    /// <summary>Tokens that are still in the draw, ascending.</summary>
    public int[] Tokens { get; }

    /// <summary>Logits, then weights, of <see cref="Tokens"/>.</summary>
    public float[] Chosen { get; }

    /// <summary>That of this thread, grown to the largest vocabulary that it has met.</summary>
    public static Workspace For(int vocabularySize)
    {
        if (t_workspace is null || t_workspace.Logits.Length < vocabularySize)
        {
            t_workspace = new Workspace(vocabularySize);
        }

        return t_workspace;
    }
}
