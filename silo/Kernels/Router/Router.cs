using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>Chooses the experts of each row: the best k of <c>softmax(W x)</c>, their weights divided by their sum; and sorts the choices by expert.</summary>
/// <remarks>
/// <para>x: fp32 <c>[rows, hidden]</c>, so that a choice does not turn on the rounding of x; W: T <c>[experts, hidden]</c>; at most 1024 experts and 32 choices.</para>
/// <para>The lower expert wins a tie. With a shared expert, <c>c = σ(w x)</c> is its weight and the others are multiplied by <c>1 − c</c>.</para>
/// <para>A row's bits do not depend on its batch, but for two borders: up to 16 rows a logit is summed by a block, up to 512 by six warps, beyond by one. A row of NaN chooses some experts with weights of NaN.</para>
/// <para>Counts, where it is asked to, how many rows have chosen each expert; rows that are no sequence's are left out.</para>
/// <para>Cost: <c>2 · experts · hidden</c> bytes a row in bf16, mostly from the cache; bound by its launch when there are few rows.</para>
/// <para>Source: Shazeer et al. 2017, arXiv:1701.06538, as in the models' own code. Meaning: <see cref="RouterReference"/>.</para>
/// </remarks>
public sealed class Router
{
    public const int MostExperts = 1024;
    public const int MostChoices = 32;

    /// <summary>Up to so many, one block chooses and sorts them all.</summary>
    internal const int FewEntries = 1024;

    /// <summary>Up to so many rows, each logit has a block of its own, and the last one does the rest.</summary>
    internal const int FewRows = 16;

    /// <summary>Beyond so many rows, a warp sums a logit alone.</summary>
    private const int ManyRows = 512;

    private const int PartsOfSome = 6;

    private const int Threads = 256;
    private const int WarpsOfBlock = Threads / 32;
    private const int RowsOfBlock = 4;
    private const int ColumnsOfBlock = 4 * WarpsOfBlock;
    private const int MostThreads = 1024;

    private readonly StreamWorkspace _workspace;
    private readonly CudaFunction<ChooseParameters> _few;
    private readonly CudaFunction<ChooseParameters> _logits;
    private readonly CudaFunction<ChooseParameters> _choose;
    private readonly CudaFunction<ChooseParameters> _chooseAndGroup;
    private readonly CudaFunction<GroupParameters> _group;

    /// <param name="module">Compiled from <c>Router.cu</c>.</param>
    /// <param name="workspace">Of the stream; the logits lie there for a while.</param>
    public Router(CudaModule module, StreamWorkspace workspace)
    {
        _workspace = workspace;
        _few = module.Function<ChooseParameters>("router_few");
        _logits = module.Function<ChooseParameters>("router_logits");
        _choose = module.Function<ChooseParameters>("router_choose");
        _chooseAndGroup = module.Function<ChooseParameters>("router_choose_and_group");
        _group = module.Function<GroupParameters>("router_group");
    }

    /// <summary>Chooses the experts of rows and sorts the choices by expert.</summary>
    /// <param name="stream">To run on.</param>
    /// <param name="x">The rows after the norm.</param>
    /// <param name="weights">Address of T <c>[experts, hidden]</c>.</param>
    /// <param name="shared">Of a shared expert, which is not among the choices.</param>
    /// <param name="choice">Where the choices go.</param>
    /// <param name="groups">Where their order goes; its offsets tell how many experts there are.</param>
    /// <param name="load">Where the choices are counted; default: nowhere.</param>
    public void Route(CudaStream stream, DeviceMatrix<float> x, ulong weights, in SharedGate shared, in RouterChoice choice, in ExpertGroups groups, in ExpertLoad load = default)
    {
        var experts = checked((int)groups.Offsets.Length - 1);
        var columns = experts + (shared.Mode is SharedGateMode.Sigmoid ? 1 : 0);
        var parts = PartsOf(choice.Rows);
        Check(x, experts, columns * parts, choice, groups);
        Check(load, experts, choice.Rows);
        if (x.Rows == 0)
        {
            return;
        }

        var parameters = new ChooseParameters(
            x.Address, weights, shared.Coefficient, _workspace.Partials, choice.Experts.Address, choice.Weights.Address, choice.SharedWeights, groups.Offsets.Address, groups.Order.Address, _workspace.Arrivals,
            load.Counts.Address, load.SequenceOfRow.Address, load.Slot.Address,
            choice.Rows, checked((int)x.Columns), experts, columns, choice.TopK, parts, (int)shared.Mode, load.SpareSlot);
        var grid = new LaunchGrid((columns + ColumnsOfBlock - 1) / ColumnsOfBlock, (choice.Rows + RowsOfBlock - 1) / RowsOfBlock, parts, Threads, 0, Launches.AreProgrammatic);
        if (choice.Rows <= FewRows && choice.Experts.Length <= FewEntries)
        {
            _few.Launch(stream, grid with { X = columns, Y = choice.Rows, Z = 1 }, parameters);
            return;
        }

        _logits.Launch(stream, grid, parameters);
        if (choice.Experts.Length <= FewEntries)
        {
            _chooseAndGroup.Launch(stream, new LaunchGrid(1, 1, 1, MostThreads, 0, Launches.AreProgrammatic), parameters);
            return;
        }

        _choose.Launch(stream, new LaunchGrid((choice.Rows + WarpsOfBlock - 1) / WarpsOfBlock, 1, 1, Threads, 0, Launches.AreProgrammatic), parameters);
        Group(stream, choice.Experts.AsVector(), groups);
    }

    /// <summary>Sums are cut where there are too few rows to fill the GPU and too many for a block each.</summary>
    internal static int PartsOf(int rows) => rows is > FewRows and <= ManyRows ? PartsOfSome : 1;

    private void Check(DeviceMatrix<float> x, int experts, int columns, in RouterChoice choice, in ExpertGroups groups)
    {
        if (experts is < 1 or > MostExperts || choice.TopK < 1 || choice.TopK > Math.Min(experts, MostChoices))
        {
            throw new ArgumentException($"{choice.TopK} of {experts} experts; at most {MostChoices} of at most {MostExperts}.", nameof(choice));
        }

        if (choice.Rows != x.Rows || groups.Order.Length != choice.Experts.Length)
        {
            throw new ArgumentException($"The choice is of {choice.Rows} rows, x has {x.Rows}; there is room for the order of {groups.Order.Length} of {choice.Experts.Length} entries.", nameof(choice));
        }

        if (x.Rows * columns > _workspace.PartialFloats)
        {
            throw new ArgumentException($"{x.Rows} rows with {columns} logits each: there is room for {_workspace.PartialFloats}. Compute fewer rows in a step.", nameof(x));
        }
    }

    private static void Check(in ExpertLoad load, int experts, int rows)
    {
        if (load.Counts.Address != 0 && (load.Counts.Length < experts || load.SequenceOfRow.Length != rows))
        {
            throw new ArgumentException($"{load.Counts.Length} counts for {experts} experts, and sequences of {load.SequenceOfRow.Length} of {rows} rows.", nameof(load));
        }
    }

    /// <summary>Sorts entries, which are row · k + choice, by expert, and by number within one.</summary>
    /// <param name="stream">To run on.</param>
    /// <param name="chosen"><c>[entries]</c>: the expert of each.</param>
    /// <param name="groups">Where it goes.</param>
    public void Group(CudaStream stream, DeviceVector<int> chosen, in ExpertGroups groups)
    {
        if (groups.Order.Length != chosen.Length)
        {
            throw new ArgumentException($"Room for the order of {groups.Order.Length} entries; there are {chosen.Length}.", nameof(groups));
        }

        var experts = checked((int)groups.Offsets.Length) - 1;
        _group.Launch(stream, new LaunchGrid(experts, 1, 1, Threads, 0, Launches.AreProgrammatic), new GroupParameters(chosen.Address, groups.Offsets.Address, groups.Order.Address, checked((int)chosen.Length), experts));
    }

    /// <summary>Field for field the <c>RouterChooseParameters</c> of Router.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct ChooseParameters(
        ulong X, ulong Router, ulong Coefficient, ulong Logits, ulong Choices, ulong Weights, ulong SharedWeights, ulong Offsets, ulong Order, ulong Arrivals,
        ulong Load, ulong SequenceOfRow, ulong Slot,
        int Rows, int Hidden, int Experts, int Columns, int TopK, int Parts, int SharedMode, int SpareSlot);

    /// <summary>Field for field the <c>RouterGroupParameters</c> of Router.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct GroupParameters(ulong Choices, ulong Offsets, ulong Order, int Entries, int Experts);
}

/// <summary>How much of a row is a shared expert's. The numbers are the device code's.</summary>
public enum SharedGateMode
{
    /// <summary>There is no shared expert.</summary>
    None = 0,

    /// <summary><c>σ(w x)</c></summary>
    Sigmoid = 1,

    /// <summary>A softmax over one logit: all of it.</summary>
    Softmax = 2,
}

/// <summary>The gate of a shared expert.</summary>
/// <param name="Mode">Or none.</param>
/// <param name="Coefficient">Address of T <c>[hidden]</c>, for the sigmoid.</param>
public readonly record struct SharedGate(SharedGateMode Mode, ulong Coefficient);

/// <summary>Experts of rows.</summary>
/// <param name="Experts"><c>[rows, k]</c>, best first.</param>
/// <param name="Weights"><c>[rows, k]</c></param>
/// <param name="SharedWeights">Address of fp32 <c>[rows]</c>; 0 without a shared expert.</param>
public readonly record struct RouterChoice(DeviceMatrix<int> Experts, DeviceMatrix<float> Weights, ulong SharedWeights = 0)
{
    public int Rows => checked((int)Experts.Rows);

    public int TopK => checked((int)Experts.Columns);
}

/// <summary>Entries by expert.</summary>
/// <param name="Offsets"><c>[experts + 1]</c>: where an expert's entries begin in the order; the last is their count.</param>
/// <param name="Order"><c>[entries]</c></param>
public readonly record struct ExpertGroups(DeviceVector<int> Offsets, DeviceVector<int> Order);

/// <summary>How many rows have chosen each expert. It only grows: whoever made the counts has cleared them.</summary>
/// <param name="Counts"><c>[experts]</c> or longer, so that layers may share it. With an address of 0 nothing is counted.</param>
/// <param name="SequenceOfRow">As in <see cref="StepInputs"/>.</param>
/// <param name="Slot">As in <see cref="StepInputs"/>.</param>
/// <param name="SpareSlot">Its rows are not counted: they fill a step up, or lie behind a sequence's end.</param>
public readonly record struct ExpertLoad(DeviceVector<long> Counts, DeviceVector<int> SequenceOfRow, DeviceVector<int> Slot, int SpareSlot);
