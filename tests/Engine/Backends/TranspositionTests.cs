using Loire.Engine.Backends.Cpu.Kernels;

namespace Loire.Engine.Tests.Backends;

public sealed unsafe class TranspositionTests
{
    [Theory]
    [InlineData(64, 64)]
    [InlineData(1, 64)]
    [InlineData(37, 64)]
    [InlineData(64, 3)]
    [InlineData(5, 7)]
    [InlineData(4, 4)]
    public void Rows_become_columns_and_nothing_beside_them_is_touched(int rows, int columns)
    {
        var (fromStride, toStride) = (columns + 3, rows + 5);
        var from = Enumerable.Range(0, rows * fromStride).Select(i => i + 0.5f).ToArray();
        var to = new float[columns * toStride];
        Array.Fill(to, float.NaN);

        fixed (float* source = from, target = to)
        {
            Transposition.Apply(source, fromStride, target, toStride, rows, columns);
        }

        for (var column = 0; column < columns; column++)
        {
            for (var row = 0; row < toStride; row++)
            {
                Assert.Equal(row < rows ? from[(row * fromStride) + column] : float.NaN, to[(column * toStride) + row]);
            }
        }
    }
}
