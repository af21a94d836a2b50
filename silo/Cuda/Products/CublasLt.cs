using System.Runtime.InteropServices;
using Loire.Cuda.Native;

namespace Loire.Cuda;

/// <summary>Matrix products by cuBLASLt: <c>y[M, N] = x[M, K] · w[N, K]ᵀ</c>, all row-major, x and w bf16, sums in fp32, y bf16 or fp32.</summary>
/// <remarks>
/// One thread and one stream at a time: the workspace is shared. The algorithm of a shape is chosen at its first product, by trial for multiples of 1,024 rows, and kept,
/// so a shape gives the same bits each time; another count of rows may get another algorithm, and a row other last bits.
/// </remarks>
public sealed unsafe class CublasLt : IDisposable
{
    private const int MostPlans = 4096;
    private const long WorkspaceBytes = 64L << 20;
    private const int Candidates = 12;

    /// <summary>Products of whole pieces of prompts come again and again: for those it pays to try.</summary>
    private const int TimedMultiple = 1024;

    private readonly CudaDevice _device;
    private readonly DeviceMemory _workspace;
    private readonly Dictionary<ProductShape, ProductPlan> _plans = [];
    private nint _handle;
    private nint _preference;

    public CublasLt(CudaDevice device)
    {
        CudaLibraries.Require(CublasLtApi.Library);
        _device = device;
        device.MakeCurrent();
        _workspace = device.Allocate(WorkspaceBytes, "the workspace of matrix products");
        Check(CublasLtApi.Create(out _handle), "cublasLtCreate");
        Check(CublasLtApi.PreferenceCreate(out _preference), "cublasLtMatmulPreferenceCreate");
        var bytes = (ulong)WorkspaceBytes;
        Check(CublasLtApi.PreferenceSet(_preference, CublasLtApi.PreferenceWorkspaceBytes, &bytes, sizeof(ulong)), "cublasLtMatmulPreferenceSetAttribute");
    }

    /// <param name="stream">Where it runs.</param>
    /// <param name="x"><c>[M, K]</c></param>
    /// <param name="w"><c>[N, K]</c></param>
    /// <param name="y"><c>[M, N]</c></param>
    /// <param name="yStride">Elements from a row of y to the next; 0: N.</param>
    /// <param name="accumulate">Adds to what is in y instead of replacing it.</param>
    public void MatMul(CudaStream stream, DeviceMatrix<BFloat16> x, DeviceMatrix<BFloat16> w, DeviceMatrix<float> y, long yStride = 0, bool accumulate = false) =>
        MatMul(stream, x, w, y.Address, y.Rows, y.Columns, yStride, CublasLtApi.Real32F, accumulate);

    /// <inheritdoc cref="MatMul(CudaStream, DeviceMatrix{BFloat16}, DeviceMatrix{BFloat16}, DeviceMatrix{float}, long, bool)"/>
    public void MatMul(CudaStream stream, DeviceMatrix<BFloat16> x, DeviceMatrix<BFloat16> w, DeviceMatrix<BFloat16> y, long yStride = 0, bool accumulate = false) =>
        MatMul(stream, x, w, y.Address, y.Rows, y.Columns, yStride, CublasLtApi.Real16BF, accumulate);

    public void Dispose()
    {
        foreach (var plan in _plans.Values)
        {
            plan.Dispose();
        }

        _plans.Clear();
        if (_preference != 0)
        {
            _ = CublasLtApi.PreferenceDestroy(_preference);
            _preference = 0;
        }

        if (_handle != 0)
        {
            _ = CublasLtApi.Destroy(_handle);
            _handle = 0;
        }

        _workspace.Dispose();
    }

    private void MatMul(CudaStream stream, DeviceMatrix<BFloat16> x, DeviceMatrix<BFloat16> w, ulong y, long rows, long columns, long yStride, int type, bool accumulate)
    {
        if (x.Columns != w.Columns || rows != x.Rows || columns != w.Rows)
        {
            throw new ArgumentException($"x is [{x.Rows}, {x.Columns}], w is [{w.Rows}, {w.Columns}] and y [{rows}, {columns}]; y must be [{x.Rows}, {w.Rows}], and x and w must have the same columns.");
        }

        if (rows == 0)
        {
            return;
        }

        var shape = new ProductShape(rows, columns, x.Columns, yStride == 0 ? columns : yStride, type);
        if (!_plans.TryGetValue(shape, out var plan))
        {
            plan = Plan(shape, shape.M % TimedMultiple == 0 && !accumulate ? new Trial(stream, x.Address, w.Address, y) : null);
        }

        Check(Run(plan, plan.Algorithm, new Trial(stream, x.Address, w.Address, y), accumulate ? 1 : 0), "cublasLtMatmul", shape);
    }

    private int Run(ProductPlan plan, CublasLtAlgorithm* algorithm, Trial on, float beta)
    {
        float one = 1;
        return CublasLtApi.MatMul(
            _handle, plan.Operation, &one, on.W, plan.W, on.X, plan.X, &beta, on.Y, plan.Y, on.Y, plan.Y,
            algorithm, _workspace.Address, (nuint)WorkspaceBytes, on.Stream.Handle.DangerousGetHandle());
    }

    /// <param name="shape">Of the product.</param>
    /// <param name="trial">Where to time algorithms; null: the library's first suggestion is taken.</param>
    private ProductPlan Plan(ProductShape shape, Trial? trial)
    {
        if (_plans.Count >= MostPlans)
        {
            foreach (var old in _plans.Values)
            {
                old.Dispose();
            }

            _plans.Clear();
        }

        var plan = new ProductPlan();
        try
        {
            // The library counts by columns: there y is [N, M] = w [K, N] transposed · x [K, M].
            var transposed = CublasLtApi.Transposed;
            Check(CublasLtApi.DescriptorCreate(out plan.Operation, CublasLtApi.Compute32F, CublasLtApi.Real32F), "cublasLtMatmulDescCreate", shape);
            Check(CublasLtApi.DescriptorSet(plan.Operation, CublasLtApi.DescriptorTransA, &transposed, sizeof(int)), "cublasLtMatmulDescSetAttribute", shape);
            Check(CublasLtApi.LayoutCreate(out plan.W, CublasLtApi.Real16BF, (ulong)shape.K, (ulong)shape.N, shape.K), "cublasLtMatrixLayoutCreate", shape);
            Check(CublasLtApi.LayoutCreate(out plan.X, CublasLtApi.Real16BF, (ulong)shape.K, (ulong)shape.M, shape.K), "cublasLtMatrixLayoutCreate", shape);
            Check(CublasLtApi.LayoutCreate(out plan.Y, shape.Type, (ulong)shape.N, (ulong)shape.M, shape.YStride), "cublasLtMatrixLayoutCreate", shape);
            var suggested = stackalloc CublasLtHeuristic[Candidates];
            Check(CublasLtApi.GetHeuristic(_handle, plan.Operation, plan.W, plan.X, plan.Y, plan.Y, _preference, trial is null ? 1 : Candidates, suggested, out var found), "cublasLtMatmulAlgoGetHeuristic", shape);
            if (found == 0)
            {
                throw new InvalidOperationException($"cuBLASLt has no algorithm for {shape} on GPU {_device.Ordinal}.");
            }

            *plan.Algorithm = suggested[trial is { } on && found > 1 ? Quickest(plan, new Span<CublasLtHeuristic>(suggested, found), on) : 0].Algorithm;
        }
        catch
        {
            plan.Dispose();
            throw;
        }

        _plans.Add(shape, plan);
        return plan;
    }

    /// <summary>Runs each twice and times the second: which one is the quickest.</summary>
    private int Quickest(ProductPlan plan, ReadOnlySpan<CublasLtHeuristic> suggested, Trial on)
    {
        using var start = _device.NewEvent(timing: true);
        using var end = _device.NewEvent(timing: true);
        var best = 0;
        var least = TimeSpan.MaxValue;
        for (var i = 0; i < suggested.Length; i++)
        {
            var algorithm = suggested[i].Algorithm;
            if (suggested[i].State != 0 || Run(plan, &algorithm, on, 0) != 0)
            {
                continue;
            }

            on.Stream.Record(start);
            _ = Run(plan, &algorithm, on, 0);
            on.Stream.Record(end);
            on.Stream.Synchronize();
            if (end.Since(start) is var time && time < least)
            {
                (best, least) = (i, time);
            }
        }

        return best;
    }

    private void Check(int status, string operation, ProductShape? shape = null)
    {
        if (status == 0)
        {
            return;
        }

        var tried = $"{operation}{(shape is { } known ? $" for {known}" : "")}";

        // cuBLAS has one status for many errors; after a sticky one the driver gives it to any call.
        CudaException.ThrowIfFailed(Driver.MemGetInfo(out _, out _), $"{tried}, with status {status} of cuBLAS,", _device.Ordinal);
        throw new InvalidOperationException($"{tried} failed on GPU {_device.Ordinal} with status {status} of cuBLAS. The driver knows of no error: look for the status in the documentation of cublasStatus_t.");
    }

    /// <summary>Operands of a product.</summary>
    private readonly record struct Trial(CudaStream Stream, ulong X, ulong W, ulong Y);

    private readonly record struct ProductShape(long M, long N, long K, long YStride, int Type)
    {
        public override string ToString() => $"[{M}, {K}] x [{N}, {K}]ᵀ to {(Type == CublasLtApi.Real32F ? "f32" : "bf16")}";
    }

    private sealed class ProductPlan : IDisposable
    {
        public nint Operation;
        public nint W;
        public nint X;
        public nint Y;

        public CublasLtAlgorithm* Algorithm { get; } = (CublasLtAlgorithm*)NativeMemory.AllocZeroed((nuint)sizeof(CublasLtAlgorithm));

        public void Dispose()
        {
            Free(ref Operation, &CublasLtApi.DescriptorDestroy);
            Free(ref W, &CublasLtApi.LayoutDestroy);
            Free(ref X, &CublasLtApi.LayoutDestroy);
            Free(ref Y, &CublasLtApi.LayoutDestroy);
            NativeMemory.Free(Algorithm);
        }

        private static void Free(ref nint handle, delegate*<nint, int> destroy)
        {
            if (handle != 0)
            {
                _ = destroy(handle);
                handle = 0;
            }
        }
    }
}
