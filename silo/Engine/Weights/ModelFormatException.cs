namespace Loire.Engine.Weights;

/// <summary>A model folder cannot be used: the message names the file, the field or tensor, what was found and what would be right.</summary>
/// <remarks>The only exception that reading a model folder throws, whatever its files contain.</remarks>
public sealed class ModelFormatException : Exception
{
    /// <param name="path">The file or folder that is at fault.</param>
    /// <param name="problem">A sentence without the path: what was found, what is allowed, what to do.</param>
    /// <param name="inner">The reason underneath, if any.</param>
    public ModelFormatException(string path, string problem, Exception? inner = null)
        : base($"{path}: {problem}", inner)
    {
        Path = path;
    }

    public string Path { get; }
}
