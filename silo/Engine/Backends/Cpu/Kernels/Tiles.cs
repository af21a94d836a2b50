namespace Loire.Engine.Backends.Cpu.Kernels;

/// <summary>Cuts products of any shape into the tiles of <see cref="TileKernel"/>.</summary>
internal static unsafe class Tiles
{
    /// <summary><c>c[r, 0..64) = rows[r] · panel</c> for all rows, one packed panel; c is contiguous, 64 floats a row.</summary>
    public static void MultiplyPanel(float** rows, int rowCount, PackedMatrix matrix, int panel, float* c)
    {
        var address = matrix.Panel(panel);
        for (var row = 0; row < rowCount; row += TileKernel.MaxRows)
        {
            var count = Math.Min(TileKernel.MaxRows, rowCount - row);
            var target = c + ((nint)row * TileKernel.MaxColumns);
            if (matrix.IsBFloat16)
            {
                Tile<Four, BFloat16Pairs>(count, rows + row, address, TileKernel.MaxColumns, matrix.Depth, target, TileKernel.MaxColumns, accumulate: false);
            }
            else
            {
                Tile<Four, Floats>(count, rows + row, address, TileKernel.MaxColumns, matrix.Depth, target, TileKernel.MaxColumns, accumulate: false);
            }
        }
    }

    /// <summary><c>c[r, j] (+)= Σ_k rows[r][k] · b[k, j]</c> for a plain fp32 matrix b of <paramref name="columns"/> columns, a multiple of 16.</summary>
    public static void Multiply(float** rows, int rowCount, float* b, nint stride, int columns, nint depth, float* c, nint ldc, bool accumulate)
    {
        for (var column = 0; column < columns; column += TileKernel.MaxColumns)
        {
            var vectors = Math.Min(TileKernel.MaxColumns, columns - column) / TileKernel.Lanes;
            for (var row = 0; row < rowCount; row += TileKernel.MaxRows)
            {
                var count = Math.Min(TileKernel.MaxRows, rowCount - row);
                var target = c + (row * ldc) + column;
                switch (vectors)
                {
                    case 1:
                        Tile<One, Floats>(count, rows + row, b + column, stride, depth, target, ldc, accumulate);
                        break;
                    case 2:
                        Tile<Two, Floats>(count, rows + row, b + column, stride, depth, target, ldc, accumulate);
                        break;
                    case 3:
                        Tile<Three, Floats>(count, rows + row, b + column, stride, depth, target, ldc, accumulate);
                        break;
                    default:
                        Tile<Four, Floats>(count, rows + row, b + column, stride, depth, target, ldc, accumulate);
                        break;
                }
            }
        }
    }

    private static void Tile<TColumns, TPanel>(int rowCount, float** rows, void* panel, nint stride, nint depth, float* c, nint ldc, bool accumulate)
        where TColumns : struct, ICount
        where TPanel : struct, IPanel
    {
        switch (rowCount)
        {
            case 1:
                TileKernel.Multiply<One, TColumns, TPanel>(rows, panel, stride, depth, c, ldc, accumulate);
                break;
            case 2:
                TileKernel.Multiply<Two, TColumns, TPanel>(rows, panel, stride, depth, c, ldc, accumulate);
                break;
            case 3:
                TileKernel.Multiply<Three, TColumns, TPanel>(rows, panel, stride, depth, c, ldc, accumulate);
                break;
            case 4:
                TileKernel.Multiply<Four, TColumns, TPanel>(rows, panel, stride, depth, c, ldc, accumulate);
                break;
            case 5:
                TileKernel.Multiply<Five, TColumns, TPanel>(rows, panel, stride, depth, c, ldc, accumulate);
                break;
            default:
                TileKernel.Multiply<Six, TColumns, TPanel>(rows, panel, stride, depth, c, ldc, accumulate);
                break;
        }
    }
}
