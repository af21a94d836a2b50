using System.Runtime.CompilerServices;
using Loire.Cuda.Native;

namespace Loire.Cuda;

/// <summary>A kernel that takes one struct by value.</summary>
/// <typeparam name="TParameters">Field for field the kernel's; its size was checked when the module was loaded.</typeparam>
public sealed class CudaFunction<TParameters> : IKernelFigures
    where TParameters : unmanaged
{
    private const int FreeSharedBytes = 48 * 1024;

    private readonly CudaModule _module;
    private readonly nint _function;
    private readonly bool _hasProgrammatic;
    private int _allowed;

    internal CudaFunction(CudaModule module, nint function, string name)
    {
        _module = module;
        _function = function;
        _hasProgrammatic = module.Device.ComputeMajor >= 9;
        Name = name;
    }

    public string Name { get; }

    /// <summary>Registers of a thread.</summary>
    public int Registers => Attribute(FunctionAttribute.Registers);

    /// <summary>Bytes of a thread that did not fit registers: 0 is the aim.</summary>
    public int SpillBytes => Attribute(FunctionAttribute.LocalBytes);

    KernelFigures IKernelFigures.Figures => new(Name, Registers, SpillBytes);

    /// <summary>Blocks of that form that are on one multiprocessor at once.</summary>
    public int BlocksPerMultiprocessor(int threads, int sharedBytes = 0)
    {
        CudaException.ThrowIfFailed(Driver.OccupancyBlocks(out var blocks, _function, threads, (nuint)sharedBytes), $"cuOccupancyMaxActiveBlocksPerMultiprocessor({Name})", _module.Device.Ordinal);
        return blocks;
    }

    /// <summary>Enqueues it. No allocation; the parameters are copied before it returns.</summary>
    /// <exception cref="CudaException">The form cannot be launched, or an earlier kernel has failed.</exception>
    [SkipLocalsInit]
    public unsafe void Launch(CudaStream stream, LaunchGrid grid, in TParameters parameters)
    {
        LaunchAttribute attribute;
        attribute.Id = LaunchAttribute.ProgrammaticStreamSerialization;
        attribute.Value = 1;
        var configuration = new LaunchConfiguration
        {
            GridX = (uint)grid.X,
            GridY = (uint)grid.Y,
            GridZ = (uint)grid.Z,
            BlockX = (uint)grid.Threads,
            BlockY = 1,
            BlockZ = 1,
            SharedBytes = (uint)grid.SharedBytes,
            Stream = stream.Handle.DangerousGetHandle(),
            Attributes = &attribute,
            AttributeCount = grid.Programmatic && _hasProgrammatic ? 1u : 0u,
        };
        fixed (TParameters* value = &parameters)
        {
            void* pointer = value;
            var result = Driver.LaunchKernel(&configuration, _function, &pointer, null);
            if (result != CuResult.Success)
            {
                Fail(result, grid);
            }
        }
    }

    /// <summary>Lets launches ask for that much dynamic shared memory.</summary>
    internal void Allow(int sharedBytes)
    {
        if (sharedBytes <= Math.Max(_allowed, FreeSharedBytes))
        {
            return;
        }

        var result = Driver.FunctionSetAttribute(_function, FunctionAttribute.MaxDynamicSharedBytes, sharedBytes);
        CudaException.ThrowIfFailed(
            result,
            $"cuFuncSetAttribute({sharedBytes} bytes of shared memory for {Name})",
            _module.Device.Ordinal,
            CudaException.IsStickyResult(result) ? null : $"A block of this GPU has at most {_module.Device.SharedMemoryPerBlock}.");
        _allowed = sharedBytes;
    }

    private int Attribute(FunctionAttribute attribute)
    {
        CudaException.ThrowIfFailed(Driver.FunctionGetAttribute(out var value, attribute, _function), $"cuFuncGetAttribute({attribute} of {Name})", _module.Device.Ordinal);
        return value;
    }

    private void Fail(CuResult result, LaunchGrid grid) => throw new CudaException(
        result,
        $"The launch of {Name} ({grid.X} x {grid.Y} x {grid.Z} blocks of {grid.Threads} threads, {grid.SharedBytes} bytes of shared memory)",
        _module.Device.Ordinal,
        result is CuResult.InvalidValue or CuResult.LaunchOutOfResources ? $"The form does not suit the kernel or the GPU; it has {Registers} registers a thread." : null);
}
