using Loire.Cli.Terminal;

namespace Loire.Cli.Serve;

/// <summary>The directory where sessions and checkpoints are kept.</summary>
internal static class DataDirectory
{
    /// <summary>Makes it if need be and tries to write, so that a wrong name is known before a model is loaded for it.</summary>
    public static void Check(string path)
    {
        var probe = Path.Combine(path, $".probe-{Environment.ProcessId}");
        try
        {
            Directory.CreateDirectory(path);
            File.WriteAllBytes(probe, [0]);
            File.Delete(probe);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CommandFailedException($"The data directory '{path}' cannot be written: {exception.Message} Name another by --data.", inner: exception);
        }
    }
}
