using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>Gated feed-forward of the experts of each row: <c>y = W_down(silu(W_gate x) ⊙ W_up x)</c>, for every chosen expert.</summary>
/// <remarks>
/// <para>An entry is one choice of one row, <c>row · k + choice</c>. x: T <c>[rows, hidden]</c>; y: fp32 <c>[entries, hidden]</c>, before it is weighted; the product inside is rounded to T.</para>
/// <para>Experts whose weights are elsewhere are left out: what y has for their entries stays as it was.</para>
/// <para>
/// Bits: streamed, the sums of an entry are cut where equal shares of all the work end, and so depend on which experts the batch uses; on the path for any shape they do not.
/// </para>
/// <para>
/// Cost: reads the weights of each used expert once, <c>6 · hidden · width</c> bytes in bf16 and half of that in 8 bits, as long as no expert has more than 64 entries, and is bound by that;
/// unused experts cost nothing.
/// </para>
/// <para>
/// Weights of 8 bits are numbers times the scale of their block, exactly, with the scale applied to fp32 sums; in large tiles that product is rounded to bf16 first.
/// </para>
/// <para>Source: Shazeer 2020, arXiv:2002.05202, for the gated form. Meaning: <see cref="ExpertsReference"/>.</para>
/// </remarks>
public sealed class Experts
{
    private const int Threads = 256;
    private const int ColumnsOfBlock = 8;
    private const int EntriesOfBlock = 4;
    private const int PrefillThreads = 256;
    private const int PrefillSharedBytes = (4 * 48 * 1024) + 1024; // four stages, and room to align them: ExpertsPrefill.cu

    private readonly ElementType _type;
    private readonly WeightType _weights;
    private readonly StreamWorkspace _workspace;
    private readonly ExpertScratch? _scratch;
    private readonly CudaFunction<Parameters> _gateUpAny;
    private readonly CudaFunction<Parameters> _downAny;
    private readonly CudaFunction<Parameters>? _gateUpStream;
    private readonly CudaFunction<Parameters>? _downStream;
    private readonly CudaFunction<Parameters>? _gateUpPrefill;
    private readonly CudaFunction<Parameters>? _downPrefill;
    private readonly int _gateUpWorkers;
    private readonly int _downWorkers;

    /// <param name="module">Compiled from <c>Experts.cu</c> with <see cref="DefinesOf"/>.</param>
    /// <param name="type">The module's.</param>
    /// <param name="workspace">Of the stream that products run on.</param>
    /// <param name="prefill">Compiled from <c>ExpertsPrefill.cu</c> where <see cref="CanPrefill"/>; null: many entries take longer.</param>
    /// <param name="weights">The module's.</param>
    /// <param name="scratch">Of the stream; large tiles need it where weights have 8 bits.</param>
    public Experts(CudaModule module, ElementType type, StreamWorkspace workspace, CudaModule? prefill = null, WeightType weights = WeightType.Element, ExpertScratch? scratch = null)
    {
        _type = type;
        _weights = weights;
        _workspace = workspace;
        _scratch = scratch;
        _gateUpAny = module.Function<Parameters>("experts_gate_up_any");
        _downAny = module.Function<Parameters>("experts_down_any");
        if (type is ElementType.BFloat16 && workspace.IsUsable)
        {
            _gateUpStream = module.Function<Parameters>("experts_gate_up_stream", StreamWorkspace.MostSharedBytes);
            _downStream = module.Function<Parameters>("experts_down_stream", StreamWorkspace.MostSharedBytes);
            _gateUpWorkers = workspace.WorkersOf(_gateUpStream, StreamWorkspace.MostSharedBytes);
            _downWorkers = workspace.WorkersOf(_downStream, StreamWorkspace.MostSharedBytes);
        }

        if (prefill is not null && CanPrefill(prefill.Device, type) && (weights is WeightType.Element || scratch is not null))
        {
            _gateUpPrefill = prefill.Function<Parameters>("experts_gate_up_prefill", PrefillSharedBytes);
            _downPrefill = prefill.Function<Parameters>("experts_down_prefill", PrefillSharedBytes);
        }
    }

    /// <summary>Whether <c>ExpertsPrefill.cu</c> compiles for the GPU.</summary>
    public static bool CanPrefill(CudaDevice device, ElementType type) => type is ElementType.BFloat16 && device.ComputeMajor == 9;

    /// <summary>What <c>Experts.cu</c> is compiled with.</summary>
    public static string[] DefinesOf(WeightType weights) => weights is WeightType.Float8 ? ["LOIRE_WEIGHTS_E4M3"] : [];

    /// <param name="stream">To run on.</param>
    /// <param name="x">Address of T <c>[rows, hidden]</c>.</param>
    /// <param name="weights">Of the experts that are here.</param>
    /// <param name="chosen"><c>[rows, k]</c></param>
    /// <param name="groups">The same, by expert; of all experts.</param>
    /// <param name="activated">Address of T <c>[entries, width]</c>, overwritten.</param>
    /// <param name="y"><c>[entries, hidden]</c></param>
    public void Enqueue(CudaStream stream, ulong x, in ExpertWeights weights, DeviceMatrix<int> chosen, in ExpertGroups groups, ulong activated, DeviceMatrix<float> y) =>
        Enqueue(stream, ChoosePath(weights, chosen, groups), x, weights, chosen, groups, activated, y);

    /// <summary>The same, by a way that the caller chooses. For tests and measurements.</summary>
    public void Enqueue(CudaStream stream, ExpertsPath path, ulong x, in ExpertWeights weights, DeviceMatrix<int> chosen, in ExpertGroups groups, ulong activated, DeviceMatrix<float> y)
    {
        var entries = checked((int)chosen.Length);
        if (y.Rows != entries || y.Columns != weights.Hidden || groups.Order.Length != entries || groups.Offsets.Length < weights.FirstExpert + weights.Count + 1L)
        {
            throw new ArgumentException($"{entries} entries of experts [{weights.FirstExpert}, {weights.FirstExpert + weights.Count}) of hidden {weights.Hidden}: y is [{y.Rows}, {y.Columns}], {groups.Order.Length} are in order, and there are {groups.Offsets.Length} offsets.");
        }

        if (weights.Type != _weights)
        {
            throw new ArgumentException($"Experts' weights are {weights.Type}; these kernels are compiled for {_weights}.", nameof(weights));
        }

        if (entries == 0)
        {
            return;
        }

        var parameters = new Parameters(
            x, weights.GateUp, weights.Down, weights.GateUpScales, weights.DownScales, chosen.Address, groups.Offsets.Address, groups.Order.Address, activated, y.Address, _workspace.Partials, _workspace.Arrivals,
            entries, checked((int)chosen.Columns), weights.Hidden, weights.Width, weights.FirstExpert, weights.Count);
        switch (path)
        {
            case ExpertsPath.Stream:
                Launch(stream, _gateUpStream, new LaunchGrid(_gateUpWorkers, 1, 1, StreamWorkspace.Threads, StreamWorkspace.MostSharedBytes, Launches.AreProgrammatic), parameters);
                Launch(stream, _downStream, new LaunchGrid(_downWorkers, 1, 1, StreamWorkspace.Threads, StreamWorkspace.MostSharedBytes, Launches.AreProgrammatic), parameters);
                break;
            case ExpertsPath.Prefill when _scratch is { } scratch && weights.Type is WeightType.Float8:
                EnqueueByFew(stream, scratch, weights, parameters);
                break;
            case ExpertsPath.Prefill:
                EnqueueTiles(stream, parameters);
                break;
            default:
                _gateUpAny.Launch(stream, GridOf(weights.Width, entries), parameters);
                _downAny.Launch(stream, GridOf(weights.Hidden, entries), parameters);
                break;
        }
    }

    /// <summary>Not programmatic where weights are written: that waits until nobody reads those before them.</summary>
    private void EnqueueByFew(CudaStream stream, ExpertScratch scratch, in ExpertWeights weights, in Parameters parameters)
    {
        var room = scratch.RoomFor(weights);
        if (room == 0)
        {
            throw new ArgumentException($"There is no room for one expert of {weights.Width} over {weights.Hidden} as brain floats.", nameof(weights));
        }

        for (var first = 0; first < weights.Count; first += room)
        {
            var few = scratch.Fill(stream, weights, first, Math.Min(room, weights.Count - first));
            EnqueueTiles(stream, parameters with { GateUp = few.GateUp, Down = few.Down, FirstExpert = few.FirstExpert, ExpertCount = few.Count });
        }
    }

    private void EnqueueTiles(CudaStream stream, in Parameters parameters)
    {
        var grid = new LaunchGrid(stream.Device.Multiprocessors, 1, 1, PrefillThreads, PrefillSharedBytes, Launches.AreProgrammatic);
        Launch(stream, _gateUpPrefill, grid, parameters);
        Launch(stream, _downPrefill, grid, parameters);
    }

    private ExpertsPath ChoosePath(in ExpertWeights weights, DeviceMatrix<int> chosen, in ExpertGroups groups) =>
        ExpertsChoice.Of(checked((int)chosen.Length), checked((int)groups.Offsets.Length - 1), weights, _gateUpStream is not null, _gateUpPrefill is not null);

    private void Launch(CudaStream stream, CudaFunction<Parameters>? function, LaunchGrid grid, in Parameters parameters)
    {
        if (function is null || !ExpertsChoice.IsTiled(parameters.Hidden, parameters.Width) || parameters.ExpertCount > Router.MostExperts)
        {
            throw new ArgumentException($"{parameters.ExpertCount} experts of {parameters.Width} over {parameters.Hidden} in {_type}, weights {_weights}, on {_workspace.Device} do not take this path.");
        }

        function.Launch(stream, grid, parameters);
    }

    private static LaunchGrid GridOf(int columns, int entries) =>
        new((columns + ColumnsOfBlock - 1) / ColumnsOfBlock, (entries + EntriesOfBlock - 1) / EntriesOfBlock, 1, Threads);

    /// <summary>Field for field the <c>ExpertsParameters</c> of Experts.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Parameters(
        ulong X, ulong GateUp, ulong Down, ulong GateUpScales, ulong DownScales, ulong Choices, ulong Offsets, ulong Order, ulong Activated, ulong Y, ulong Partials, ulong Arrivals,
        int Entries, int TopK, int Hidden, int Width, int FirstExpert, int ExpertCount);
}

/// <summary>Weights of the experts of a layer that are on a device. A dense feed-forward is one expert that every row chooses.</summary>
/// <param name="GateUp">Address of T or e4m3 <c>[count, 2, width, hidden]</c>: each expert's gate rows, then its up rows.</param>
/// <param name="Down">Address of T or e4m3 <c>[count, hidden, width]</c>.</param>
/// <param name="Hidden">Of a row.</param>
/// <param name="Width">Of an expert.</param>
/// <param name="FirstExpert">The first of them, among all of the layer.</param>
/// <param name="Count">Of those that are here.</param>
/// <param name="GateUpScales">Address of fp32 <c>[count, 2, ⌈width / 128⌉, ⌈hidden / 128⌉]</c>; 0: the weights are T.</param>
/// <param name="DownScales">Address of fp32 <c>[count, ⌈hidden / 128⌉, ⌈width / 128⌉]</c>; 0: the weights are T.</param>
public readonly record struct ExpertWeights(ulong GateUp, ulong Down, int Hidden, int Width, int FirstExpert, int Count, ulong GateUpScales = 0, ulong DownScales = 0)
{
    public WeightType Type => GateUpScales == 0 ? WeightType.Element : WeightType.Float8;
}
