namespace Loire.Cuda;

/// <summary>This machine has no GPU that can be used, or a library is missing. The message says what, where it was looked for and what to do.</summary>
public sealed class CudaMissingException(string message) : Exception(message);
