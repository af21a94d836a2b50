using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Loire.Engine.Backends.Cpu.Kernels;

/// <summary>Turns a matrix: pages hold keys channel by channel, blobs token by token.</summary>
internal static unsafe class Transposition
{
    private const int Block = 4;

    /// <summary><c>to[c, r] = from[r, c]</c></summary>
    /// <param name="from"><c>[rows, columns]</c></param>
    /// <param name="fromStride">From row to row, in elements.</param>
    /// <param name="to"><c>[columns, rows]</c></param>
    /// <param name="toStride">From row to row, in elements.</param>
    /// <param name="rows">Of the source.</param>
    /// <param name="columns">Of the source.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // a state that moves is read once: no time to warm up
    public static void Apply(float* from, int fromStride, float* to, int toStride, int rows, int columns)
    {
        var wholeRows = Sse.IsSupported ? rows / Block * Block : 0;
        var wholeColumns = columns / Block * Block;
        for (var row = 0; row < wholeRows; row += Block)
        {
            for (var column = 0; column < wholeColumns; column += Block)
            {
                Turn(from + (row * fromStride) + column, fromStride, to + (column * toStride) + row, toStride);
            }

            Copy(from, fromStride, to, toStride, row, row + Block, wholeColumns, columns);
        }

        Copy(from, fromStride, to, toStride, wholeRows, rows, 0, columns);
    }

    private static void Turn(float* from, int fromStride, float* to, int toStride)
    {
        var (a, b) = (Vector128.Load(from), Vector128.Load(from + fromStride));
        var (c, d) = (Vector128.Load(from + (2 * fromStride)), Vector128.Load(from + (3 * fromStride)));
        var (lowAb, highAb) = (Sse.UnpackLow(a, b), Sse.UnpackHigh(a, b));
        var (lowCd, highCd) = (Sse.UnpackLow(c, d), Sse.UnpackHigh(c, d));
        Sse.MoveLowToHigh(lowAb, lowCd).Store(to);
        Sse.MoveHighToLow(lowCd, lowAb).Store(to + toStride);
        Sse.MoveLowToHigh(highAb, highCd).Store(to + (2 * toStride));
        Sse.MoveHighToLow(highCd, highAb).Store(to + (3 * toStride));
    }

    private static void Copy(float* from, int fromStride, float* to, int toStride, int firstRow, int endRow, int firstColumn, int endColumn)
    {
        for (var row = firstRow; row < endRow; row++)
        {
            for (var column = firstColumn; column < endColumn; column++)
            {
                to[(column * toStride) + row] = from[(row * fromStride) + column];
            }
        }
    }
}
