using System.Diagnostics.CodeAnalysis;

namespace Loire.Engine.Weights;

/// <summary>Opens files of a model folder, so that whatever goes wrong names the file.</summary>
internal static class ModelFiles
{
    /// <summary>All bytes of a file that must not be larger than this.</summary>
    public static byte[] ReadSmall(string path, int maxBytes)
    {
        try
        {
            using var stream = File.OpenRead(path);
            if (stream.Length > maxBytes)
            {
                throw new ModelFormatException(path, $"has {stream.Length} bytes; at most {maxBytes} are allowed.");
            }

            var bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            return bytes;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, e);
        }
    }

    [SuppressMessage("Reliability", "CA2000", Justification = "The caller disposes the stream.")]
    public static FileStream OpenRead(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, e);
        }
    }

    public static ModelFormatException Unreadable(string path, Exception reason) => reason switch
    {
        FileNotFoundException or DirectoryNotFoundException => new(path, "no such file.", reason),
        _ => new(path, $"cannot be read: {reason.Message}", reason),
    };
}
