using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>Products of activations and up to four weight matrices: <c>y_i[r, n] = act_i(Σ_k x[r, k] · w_i[n, k])</c>.</summary>
/// <remarks>
/// <para>x: T <c>[rows, depth]</c>; w: T <c>[columns, depth]</c>; y: T or fp32. Row-major; sums in fp32.</para>
/// <para>
/// Bits: on the paths <see cref="LinearPath.Any"/> and <see cref="LinearPath.Stream"/> a row's result does not depend on the other rows, nor, up to 64 of them, on their
/// count where as many blocks fit for each width of tile; on the path <see cref="LinearPath.Library"/> it depends on the count of rows.
/// </para>
/// <para>Cost: reads the weights once, <c>2 · columns · depth</c> bytes in bf16, and is bound by that up to some hundred rows; then by the tensor cores.</para>
/// <para>Source: the division of work follows Osama et al. 2023, arXiv:2301.03598. Meaning: <see cref="LinearReference"/>.</para>
/// </remarks>
public sealed class Linear
{
    private const int MostOutputs = 4;
    private const int Threads = 256;
    private const int ColumnsOfBlock = 8;
    private const int RowsOfBlock = 4;
    private const int MostBlocksY = 65535;

    private readonly ElementType _type;
    private readonly CublasLt? _library;
    private readonly StreamWorkspace _workspace;
    private readonly CudaFunction<Parameters> _any;
    private readonly CudaFunction<ActivateParameters> _activate;
    private readonly CudaFunction<ActivateParameters>? _activateWide;
    private readonly Streamed[] _streamed = [];

    /// <param name="module">Compiled from <c>Linear.cu</c>.</param>
    /// <param name="type">The module's.</param>
    /// <param name="workspace">Of the stream that products run on.</param>
    /// <param name="library">For many rows of bf16; null: there is none.</param>
    public Linear(CudaModule module, ElementType type, StreamWorkspace workspace, CublasLt? library)
    {
        _type = type;
        _library = library;
        _workspace = workspace;
        _any = module.Function<Parameters>("linear_any");
        _activate = module.Function<ActivateParameters>("activate");
        _activateWide = type is ElementType.BFloat16 ? module.Function<ActivateParameters>("activate_wide") : null;
        if (type is ElementType.BFloat16 && workspace.IsUsable)
        {
            _streamed = [.. StreamShape.All.Select(shape => new Streamed(module, workspace, shape))];
        }
    }

    /// <param name="stream">To run on.</param>
    /// <param name="x">Address of T <c>[rows, depth]</c>.</param>
    /// <param name="rows">Count; 0 does nothing.</param>
    /// <param name="depth">Of the sums.</param>
    /// <param name="outputs">One to four.</param>
    public void Enqueue(CudaStream stream, ulong x, int rows, int depth, params ReadOnlySpan<LinearOutput> outputs) =>
        Enqueue(stream, LinearChoice.Of(rows, depth, _type, _streamed.Length > 0, _library is not null), x, rows, depth, outputs);

    /// <summary>The same, by a way that the caller chooses. For tests and measurements.</summary>
    public void Enqueue(CudaStream stream, LinearPath path, ulong x, int rows, int depth, params ReadOnlySpan<LinearOutput> outputs)
    {
        if (outputs.Length is 0 or > MostOutputs)
        {
            throw new ArgumentException($"{outputs.Length} outputs; a product has one to {MostOutputs}.", nameof(outputs));
        }

        if (rows == 0)
        {
            return;
        }

        switch (path)
        {
            case LinearPath.Stream:
                EnqueueStreamed(stream, Fill(x, rows, depth, outputs));
                break;
            case LinearPath.Library:
                EnqueueLibrary(stream, x, rows, depth, outputs);
                break;
            default:
                EnqueueAny(stream, Fill(x, rows, depth, outputs));
                break;
        }
    }

    private static Parameters Fill(ulong x, int rows, int depth, ReadOnlySpan<LinearOutput> outputs)
    {
        var segments = default(Segments);
        var columns = 0;
        for (var i = 0; i < outputs.Length; i++)
        {
            segments[i] = outputs[i].Segment;
            columns = checked(columns + outputs[i].Columns);
        }

        return new Parameters(x, segments, rows, depth, outputs.Length, columns);
    }

    private void EnqueueAny(CudaStream stream, in Parameters parameters)
    {
        var blocksX = (parameters.Columns + ColumnsOfBlock - 1) / ColumnsOfBlock;
        var blocksY = (parameters.Rows + RowsOfBlock - 1) / RowsOfBlock;
        _any.Launch(stream, new LaunchGrid(blocksX, blocksY, 1, Threads), parameters);
    }

    private void EnqueueStreamed(CudaStream stream, in Parameters parameters)
    {
        if (_streamed.Length == 0 || parameters.Rows > LinearChoice.MostStreamedRows || parameters.Depth % LinearChoice.StreamedDepth != 0)
        {
            throw new ArgumentException($"{parameters.Rows} rows of depth {parameters.Depth} in {_type} on {_workspace.Device} cannot be streamed.");
        }

        foreach (var streamed in _streamed)
        {
            if (parameters.Rows <= streamed.Shape.Rows)
            {
                streamed.Function.Launch(
                    stream,
                    new LaunchGrid(streamed.Workers, 1, 1, StreamWorkspace.Threads, streamed.Shape.SharedBytes, Launches.AreProgrammatic),
                    new StreamParameters(parameters, _workspace.Partials, _workspace.Arrivals));
                return;
            }
        }
    }

    private void EnqueueLibrary(CudaStream stream, ulong x, int rows, int depth, ReadOnlySpan<LinearOutput> outputs)
    {
        var library = _library ?? throw new InvalidOperationException("There is no cuBLASLt for this product.");
        var activations = new DeviceMatrix<BFloat16>(x, rows, depth);
        foreach (var output in outputs)
        {
            var weights = new DeviceMatrix<BFloat16>(output.Weights, output.Columns, depth);
            var sums = SumsOf(output, rows);
            if (sums != 0)
            {
                library.MatMul(stream, activations, weights, new DeviceMatrix<float>(sums, rows, output.Columns));
            }
            else if (output.IsFloat)
            {
                library.MatMul(stream, activations, weights, new DeviceMatrix<float>(output.Y, rows, output.Columns), output.Stride);
            }
            else
            {
                library.MatMul(stream, activations, weights, new DeviceMatrix<BFloat16>(output.Y, rows, output.Columns), output.Stride);
            }

            if (output.Activation is not Activation.None)
            {
                Activate(stream, output, sums, rows);
            }
        }
    }

    /// <summary>Where the sums wait for their activation before they are rounded; 0: they are no more than the result, or there is no room, and they are rounded before and after.</summary>
    private ulong SumsOf(in LinearOutput output, int rows) =>
        output.Activation is not Activation.None && !output.IsFloat && (long)rows * output.Columns <= _workspace.PartialFloats ? _workspace.Partials : 0;

    private void Activate(CudaStream stream, in LinearOutput output, ulong sums, int rows)
    {
        const int wide = 8;
        var segment = output.Segment;
        var isWide = _activateWide is not null && !output.IsFloat && segment.Columns % wide == 0 && segment.Stride % wide == 0 && segment.Y % 16 == 0;
        var columnsOfBlock = Threads * (isWide ? wide : 1);
        var grid = new LaunchGrid((output.Columns + columnsOfBlock - 1) / columnsOfBlock, Math.Min(rows, MostBlocksY), 1, Threads);
        (isWide ? _activateWide! : _activate).Launch(stream, grid, new ActivateParameters(segment, sums, rows));
    }

    /// <summary>Field for field the <c>LinearParameters</c> of Linear.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Parameters(ulong X, Segments Segments, int Rows, int Depth, int SegmentCount, int Columns);

    /// <summary>Field for field the <c>LinearStreamParameters</c> of Linear.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct StreamParameters(Parameters Product, ulong Partials, ulong Arrivals);

    /// <summary>Field for field the <c>ActivateParameters</c> of Linear.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct ActivateParameters(LinearSegment Segment, ulong Sums, int Rows);

    /// <summary>As many as a product has outputs at most.</summary>
    [InlineArray(MostOutputs)]
    public struct Segments
    {
        private LinearSegment _first;
    }

    private sealed class Streamed(CudaModule module, StreamWorkspace workspace, StreamShape shape)
    {
        public StreamShape Shape { get; } = shape;

        public CudaFunction<StreamParameters> Function { get; } = module.Function<StreamParameters>($"linear_stream_{shape.Rows}", shape.SharedBytes);

        public int Workers => field > 0 ? field : field = workspace.WorkersOf(Function, Shape.SharedBytes);
    }
}

/// <summary>A width of tile of the streaming kernels.</summary>
/// <param name="Rows">Of activations, at most.</param>
/// <param name="Stages">In shared memory: <c>stagesFor</c> of Stream.cuh.</param>
internal readonly record struct StreamShape(int Rows, int Stages)
{
    private const int WeightBytes = 128 * 128;
    private const int RowBytes = 128;

    public static IReadOnlyList<StreamShape> All { get; } = [new(8, 6), new(16, 5), new(32, 5), new(64, 4)];

    public int SharedBytes => Stages * (WeightBytes + (Rows * RowBytes));
}
