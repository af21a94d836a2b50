using Loire.Engine.Backends.Cpu;
using Loire.Engine.Backends.Cpu.Kernels;

namespace Loire.Engine.Tests.Backends;

public sealed unsafe class TileKernelTests
{
    [Theory]
    [InlineData(1, 16, 1)]
    [InlineData(2, 32, 64)]
    [InlineData(3, 48, 31)]
    [InlineData(5, 64, 200)]
    [InlineData(7, 80, 33)]
    [InlineData(13, 144, 17)]
    public void Multiply_AgreesWithPlainLoops(int rowCount, int columns, int depth)
    {
        var random = new Random(rowCount);
        using var a = Filled(random, rowCount * depth);
        using var b = Filled(random, depth * columns);
        using var c = Filled(random, rowCount * columns);
        var before = new ReadOnlySpan<float>(c.Pointer, rowCount * columns).ToArray();

        Multiply(a, rowCount, b, columns, depth, c, accumulate: true);

        for (var row = 0; row < rowCount; row++)
        {
            for (var column = 0; column < columns; column++)
            {
                double expected = before[(row * columns) + column];
                double magnitude = Math.Abs(expected);
                for (var k = 0; k < depth; k++)
                {
                    var term = (double)a.Pointer[(row * depth) + k] * b.Pointer[(k * columns) + column];
                    expected += term;
                    magnitude += Math.Abs(term);
                }

                // A chain of n fused additions errs by at most n roundings of the sum of magnitudes.
                Assert.Equal(expected, c.Pointer[(row * columns) + column], magnitude * depth * Math.Pow(2, -24) * 2);
            }
        }
    }

    [Fact]
    public void Multiply_OverwritesWhatWasThere_WhenItDoesNotAccumulate()
    {
        var random = new Random(3);
        using var a = Filled(random, 4 * 24);
        using var b = Filled(random, 24 * 64);
        using var c = new CpuBuffer<float>(4 * 64);
        new Span<float>(c.Pointer, 4 * 64).Fill(float.NaN);

        Multiply(a, 4, b, 64, 24, c, accumulate: false);

        Assert.DoesNotContain(float.NaN, new ReadOnlySpan<float>(c.Pointer, 4 * 64).ToArray());
    }

    [Theory]
    [InlineData(2)]
    [InlineData(6)]
    [InlineData(11)]
    public void ARow_HasTheSameBitsAloneAndInATile(int rowCount)
    {
        var random = new Random(7);
        using var a = Filled(random, rowCount * 96);
        using var b = Filled(random, 96 * 64);
        using var together = new CpuBuffer<float>(rowCount * 64);
        using var alone = new CpuBuffer<float>(64);

        Multiply(a, rowCount, b, 64, 96, together, accumulate: false);
        var row = a.Pointer + ((rowCount - 1) * 96);
        Tiles.Multiply(&row, 1, b.Pointer, 64, 64, 96, alone.Pointer, 64, accumulate: false);

        Assert.Equal(new ReadOnlySpan<float>(alone.Pointer, 64).ToArray(), new ReadOnlySpan<float>(together.Pointer + ((rowCount - 1) * 64), 64).ToArray());
    }

    private static void Multiply(CpuBuffer<float> a, int rowCount, CpuBuffer<float> b, int columns, int depth, CpuBuffer<float> c, bool accumulate)
    {
        var rows = stackalloc float*[rowCount];
        for (var row = 0; row < rowCount; row++)
        {
            rows[row] = a.Pointer + (row * depth);
        }

        Tiles.Multiply(rows, rowCount, b.Pointer, columns, columns, depth, c.Pointer, columns, accumulate);
    }

    private static CpuBuffer<float> Filled(Random random, int count)
    {
        var buffer = new CpuBuffer<float>(count);
        for (var i = 0; i < count; i++)
        {
            buffer.Pointer[i] = (float)((random.NextDouble() * 2) - 1);
        }

        return buffer;
    }
}
