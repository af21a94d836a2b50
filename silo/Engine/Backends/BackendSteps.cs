namespace Loire.Engine.Backends;

internal static class BackendSteps
{
    /// <summary>Runs one step with no other under way.</summary>
    public static void Run(this IBackend backend, StepBatch batch)
    {
        backend.Enqueue(batch);
        backend.Land();
    }
}
