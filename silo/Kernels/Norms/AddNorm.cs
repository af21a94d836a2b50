using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>Residual and norm in one: <c>h = α · skip + β · Σ_c u_c · f_c</c>, or a row of the embedding; then <c>n = w · h / √(mean(h²) + ε)</c>.</summary>
/// <remarks>
/// <para>All in fp32 but the embedding and x, which are T. In a post-norm model n is the next residual: write it to the stream instead of h.</para>
/// <para>Terms: <c>[rows, choices, hidden]</c>, such as the outputs of a row's experts, added in their order with their weights <c>[rows, choices]</c>; one more may come from an expert that every row has.</para>
/// <para>Squares <c>[rows, choices]</c>: <c>Σ_c u_c · f_c</c> is divided by <c>√(Σ_c squares_c / width + ε)</c> before β. It is a norm over the heads of all parts of a row, which is one number and so may come after the product that follows it.</para>
/// <para>Sums run in a fixed order: a row's bits do not depend on its batch, but for one border: a row of up to 128 has more threads than one of more.</para>
/// <para>Cost: <c>(4 · choices + 4 + 2 + 4) · rows · hidden</c> bytes; bound by memory, or by its launch when there are few rows.</para>
/// <para>Source: Zhang and Sennrich 2019, arXiv:1910.07467; Wang et al. 2022, arXiv:2203.00555 for α and β. Meaning: <see cref="AddNormReference"/>.</para>
/// </remarks>
/// <param name="module">Compiled from <c>AddNorm.cu</c>.</param>
public sealed class AddNorm(CudaModule module)
{
    private const int MostThreads = 512; // more would leave them few registers
    private const int MostThreadsOfFew = 1024;
    private const int FewRows = 128;
    private const int Quad = 4; // elements of a 16-byte load

    private readonly CudaFunction<Parameters> _any = module.Function<Parameters>("add_norm", module.Device.SharedMemoryPerBlock - ReservedBytes);
    private readonly CudaFunction<Parameters> _few = module.Function<Parameters>("add_norm_few", module.Device.SharedMemoryPerBlock - ReservedBytes);
    private readonly CudaFunction<Parameters> _wide = module.Function<Parameters>("add_norm_wide", module.Device.SharedMemoryPerBlock - ReservedBytes);

    /// <summary>Of a block, for the sums.</summary>
    private const int ReservedBytes = 1024;

    /// <param name="stream">To run on.</param>
    /// <param name="input">What the stream is made of.</param>
    /// <param name="norm">w, <c>[hidden]</c>.</param>
    /// <param name="epsilon">Inside the root.</param>
    /// <param name="output">Where it goes.</param>
    /// <remarks>Where hidden is a multiple of 4, every address of rows of it is a multiple of 16.</remarks>
    /// <exception cref="ArgumentException">Hidden is more than a block's shared memory holds, or there are squares of no width.</exception>
    public void Enqueue(CudaStream stream, in NormInput input, DeviceVector<float> norm, float epsilon, in NormOutput output)
    {
        var hidden = checked((int)norm.Length);
        var sharedBytes = checked(hidden * sizeof(float));
        if (sharedBytes > module.Device.SharedMemoryPerBlock - ReservedBytes)
        {
            throw new ArgumentException($"A row of {hidden} does not fit the {module.Device.SharedMemoryPerBlock} bytes of shared memory that a block of {module.Device} has.", nameof(norm));
        }

        if (input.Squares != 0 && input.SquaresWidth <= 0)
        {
            throw new ArgumentException($"The squares of a row are those of {input.SquaresWidth} numbers; there have to be some.", nameof(input));
        }

        if (output.Rows == 0)
        {
            return;
        }

        var parameters = ParametersOf(input, norm, epsilon, output);
        var isFew = hidden % Quad == 0 && output.Rows <= FewRows;
        var function = isFew ? _few : hidden % Quad == 0 ? _wide : _any;
        function.Launch(stream, new LaunchGrid(output.Rows, 1, 1, isFew ? ThreadsOfFew(hidden) : ThreadsFor(hidden), sharedBytes, Launches.AreProgrammatic), parameters);
    }

    private static Parameters ParametersOf(in NormInput input, DeviceVector<float> norm, float epsilon, in NormOutput output) => new(
        input.Skip, input.Terms, input.TermWeights, input.Shared, input.SharedWeights, input.Squares, input.Embedding, input.Tokens, input.RowIndices,
        norm.Address, output.X, output.Stream, output.Normed, output.Rows, (int)norm.Length, input.Choices, input.SquaresWidth,
        input.Alpha, input.Beta, epsilon, input.SquaresEpsilon);

    /// <summary>Eight elements a thread: a row is quick when it has a multiprocessor for itself.</summary>
    internal static int ThreadsOfFew(int hidden) => Math.Clamp((hidden + 7) / 8 / 32 * 32, 64, MostThreadsOfFew);

    /// <summary>Sixteen elements a thread: several rows share a multiprocessor.</summary>
    internal static int ThreadsFor(int hidden) => Math.Clamp((hidden + 15) / 16 / 32 * 32, 64, MostThreads);

    /// <summary>Field for field the <c>AddNormParameters</c> of AddNorm.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Parameters(
        ulong Skip, ulong Terms, ulong TermWeights, ulong Shared, ulong SharedWeights, ulong Squares, ulong Embedding, ulong Tokens, ulong RowIndices,
        ulong Norm, ulong X, ulong Stream, ulong Normed, int Rows, int Hidden, int Choices, int SquaresWidth,
        float Alpha, float Beta, float Epsilon, float SquaresEpsilon);
}

/// <summary>What the residual stream is made of, by addresses; 0 is absent.</summary>
public readonly record struct NormInput
{
    /// <summary>fp32 <c>[.., hidden]</c></summary>
    public ulong Skip { get; init; }

    public float Alpha { get; init; }

    public float Beta { get; init; }

    /// <summary>fp32 <c>[.., choices, hidden]</c></summary>
    public ulong Terms { get; init; }

    public int Choices { get; init; }

    /// <summary>fp32 <c>[.., choices]</c>; 0: each counts as 1.</summary>
    public ulong TermWeights { get; init; }

    /// <summary>fp32 <c>[.., hidden]</c>, added last.</summary>
    public ulong Shared { get; init; }

    /// <summary>fp32 <c>[..]</c></summary>
    public ulong SharedWeights { get; init; }

    /// <summary>fp32 <c>[.., choices]</c>: sums of squares, by whose mean the sum of the terms is normed; 0: it is not.</summary>
    public ulong Squares { get; init; }

    /// <summary>How many numbers the squares of a row are of, in all choices together.</summary>
    public int SquaresWidth { get; init; }

    /// <summary>Inside the root of the squares' mean.</summary>
    public float SquaresEpsilon { get; init; }

    /// <summary>T <c>[vocabulary, hidden]</c></summary>
    public ulong Embedding { get; init; }

    /// <summary>int <c>[..]</c>: then the stream is their embedding.</summary>
    public ulong Tokens { get; init; }

    /// <summary>int <c>[rows]</c>: which row of the inputs each row of the output is; 0: the same.</summary>
    public ulong RowIndices { get; init; }

    public static NormInput OfTokens(ulong embedding, DeviceVector<int> tokens) => new() { Embedding = embedding, Tokens = tokens.Address };

    /// <summary>The stream as it is.</summary>
    public static NormInput OfStream(ulong stream, float alpha = 1) => new() { Skip = stream, Alpha = alpha };

    /// <summary><c>α · skip + β · term</c></summary>
    public static NormInput OfResidual(ulong skip, float alpha, ulong term, float beta) =>
        new() { Skip = skip, Alpha = alpha, Terms = term, Choices = 1, Beta = beta };

    /// <summary>That for only those rows.</summary>
    public NormInput At(DeviceVector<int> rows) => this with { RowIndices = rows.Address };
}

/// <summary>Where stream and norm go, by addresses; 0 is not wanted.</summary>
public readonly record struct NormOutput
{
    public required int Rows { get; init; }

    /// <summary>T <c>[rows, hidden]</c>: n.</summary>
    public required ulong X { get; init; }

    /// <summary>fp32 <c>[rows, hidden]</c>: h. May be the skip, unless rows are picked.</summary>
    public ulong Stream { get; init; }

    /// <summary>fp32 <c>[rows, hidden]</c>: n before it is rounded. May be the skip, unless rows are picked; then no stream is wanted.</summary>
    public ulong Normed { get; init; }
}
