namespace Loire.Kernels;

/// <summary>The blocks of a matrix that have one scale each, row of blocks after row. Those at the lower and the right edge may be parts of one.</summary>
public static class BlockScales
{
    /// <summary>Rows and columns of a block.</summary>
    public const int Block = 128;

    /// <summary>Blocks of so many rows or columns.</summary>
    public static int BlocksOf(int length) => (length + Block - 1) / Block;

    /// <summary>Scales of a matrix.</summary>
    public static long CountOf(int rows, int columns) => (long)BlocksOf(rows) * BlocksOf(columns);
}
