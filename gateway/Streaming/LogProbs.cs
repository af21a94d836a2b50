namespace Loire.Gateway;

internal static class LogProbs
{
    /// <summary>JSON has no infinity: OpenAI writes -9999 for what cannot be.</summary>
    public static float Finite(float logProb) => float.IsFinite(logProb) ? logProb : -9999;
}
