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
/// Cost: reads the weights of each used expert once, <c>6 · hidden · width</c> bytes in bf16, as long as no expert has more than 64 entries, and is bound by that; unused experts cost nothing.
/// </para>
/// <para>Source: Shazeer 2020, arXiv:2002.05202, for the gated form. Meaning: <see cref="ExpertsReference"/>.</para>
/// </remarks>
public sealed class Experts
{
    private const int Threads = 256;
    private const int ColumnsOfBlock = 8;
    private const int EntriesOfBlock = 4;

    private readonly ElementType _type;
    private readonly StreamWorkspace _workspace;
    private readonly CudaFunction<Parameters> _gateUpAny;
    private readonly CudaFunction<Parameters> _downAny;
    private readonly CudaFunction<Parameters>? _gateUpStream;
    private readonly CudaFunction<Parameters>? _downStream;
    private readonly int _gateUpWorkers;
    private readonly int _downWorkers;

    /// <param name="module">Compiled from <c>Experts.cu</c>.</param>
    /// <param name="type">The module's.</param>
    /// <param name="workspace">Of the stream that products run on.</param>
    public Experts(CudaModule module, ElementType type, StreamWorkspace workspace)
    {
        _type = type;
        _workspace = workspace;
        _gateUpAny = module.Function<Parameters>("experts_gate_up_any");
        _downAny = module.Function<Parameters>("experts_down_any");
        if (type is ElementType.BFloat16 && workspace.IsUsable)
        {
            _gateUpStream = module.Function<Parameters>("experts_gate_up_stream", StreamWorkspace.MostSharedBytes);
            _downStream = module.Function<Parameters>("experts_down_stream", StreamWorkspace.MostSharedBytes);
            _gateUpWorkers = workspace.WorkersOf(_gateUpStream, StreamWorkspace.MostSharedBytes);
            _downWorkers = workspace.WorkersOf(_downStream, StreamWorkspace.MostSharedBytes);
        }
    }

    /// <param name="stream">To run on.</param>
    /// <param name="x">Address of T <c>[rows, hidden]</c>.</param>
    /// <param name="weights">Of the experts that are here.</param>
    /// <param name="chosen"><c>[rows, k]</c></param>
    /// <param name="groups">The same, by expert; of all experts.</param>
    /// <param name="activated">Address of T <c>[entries, width]</c>, overwritten.</param>
    /// <param name="y"><c>[entries, hidden]</c></param>
    public void Enqueue(CudaStream stream, ulong x, in ExpertWeights weights, DeviceMatrix<int> chosen, in ExpertGroups groups, ulong activated, DeviceMatrix<float> y) =>
        Enqueue(stream, CanStream(weights) ? LinearPath.Stream : LinearPath.Any, x, weights, chosen, groups, activated, y);

    /// <summary>The same, by a way that the caller chooses. For tests and measurements.</summary>
    public void Enqueue(CudaStream stream, LinearPath path, ulong x, in ExpertWeights weights, DeviceMatrix<int> chosen, in ExpertGroups groups, ulong activated, DeviceMatrix<float> y)
    {
        var entries = checked((int)chosen.Length);
        if (y.Rows != entries || y.Columns != weights.Hidden || groups.Order.Length != entries || groups.Offsets.Length < weights.FirstExpert + weights.Count + 1L)
        {
            throw new ArgumentException($"{entries} entries of experts [{weights.FirstExpert}, {weights.FirstExpert + weights.Count}) of hidden {weights.Hidden}: y is [{y.Rows}, {y.Columns}], {groups.Order.Length} are in order, and there are {groups.Offsets.Length} offsets.");
        }

        if (entries == 0)
        {
            return;
        }

        var parameters = new Parameters(
            x, weights.GateUp, weights.Down, chosen.Address, groups.Offsets.Address, groups.Order.Address, activated, y.Address, _workspace.Partials, _workspace.Arrivals,
            entries, checked((int)chosen.Columns), weights.Hidden, weights.Width, weights.FirstExpert, weights.Count);
        if (path is LinearPath.Stream)
        {
            EnqueueStreamed(stream, weights, parameters);
        }
        else
        {
            _gateUpAny.Launch(stream, GridOf(weights.Width, entries), parameters);
            _downAny.Launch(stream, GridOf(weights.Hidden, entries), parameters);
        }
    }

    private void EnqueueStreamed(CudaStream stream, in ExpertWeights weights, in Parameters parameters)
    {
        if (!CanStream(weights) || _gateUpStream is null || _downStream is null)
        {
            throw new ArgumentException($"Experts of {weights.Width} over {weights.Hidden} in {_type} on {_workspace.Device} cannot be streamed.", nameof(weights));
        }

        _gateUpStream.Launch(stream, new LaunchGrid(_gateUpWorkers, 1, 1, StreamWorkspace.Threads, StreamWorkspace.MostSharedBytes), parameters);
        _downStream.Launch(stream, new LaunchGrid(_downWorkers, 1, 1, StreamWorkspace.Threads, StreamWorkspace.MostSharedBytes), parameters);
    }

    private bool CanStream(in ExpertWeights weights) =>
        _gateUpStream is not null && weights.Count <= Router.MostExperts && weights.Hidden % LinearChoice.StreamedDepth == 0 && weights.Width % LinearChoice.StreamedDepth == 0;

    private static LaunchGrid GridOf(int columns, int entries) =>
        new((columns + ColumnsOfBlock - 1) / ColumnsOfBlock, (entries + EntriesOfBlock - 1) / EntriesOfBlock, 1, Threads);

    /// <summary>Field for field the <c>ExpertsParameters</c> of Experts.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Parameters(
        ulong X, ulong GateUp, ulong Down, ulong Choices, ulong Offsets, ulong Order, ulong Activated, ulong Y, ulong Partials, ulong Arrivals,
        int Entries, int TopK, int Hidden, int Width, int FirstExpert, int ExpertCount);
}

/// <summary>Weights of the experts of a layer that are on a device. A dense feed-forward is one expert that every row chooses.</summary>
/// <param name="GateUp">Address of T <c>[count, 2, width, hidden]</c>: each expert's gate rows, then its up rows.</param>
/// <param name="Down">Address of T <c>[count, hidden, width]</c>.</param>
/// <param name="Hidden">Of a row.</param>
/// <param name="Width">Of an expert.</param>
/// <param name="FirstExpert">The first of them, among all of the layer.</param>
/// <param name="Count">Of those that are here.</param>
public readonly record struct ExpertWeights(ulong GateUp, ulong Down, int Hidden, int Width, int FirstExpert, int Count);
