using Loire.Cuda;
using Loire.Engine.Backends.Cuda;
using Loire.Engine.Sampling;
using Loire.Kernels;

namespace Loire.Gpu.Tests.Kernels;

/// <summary>Rows of logits whose vocabulary is cut into parts, with what the device has found in each.</summary>
internal sealed class VocabularyParts : IDisposable
{
    private const int Count = TopCandidates.MostCount;

    private readonly List<IDisposable> _buffers = [];
    private readonly List<DeviceMatrix<float>> _logits = [];
    private readonly ChoicePart[] _parts;
    private readonly (int[] Tokens, float[] LogProbs, float[] Maxima, int[] CandidateTokens, float[] CandidateLogits)[] _host;
    private readonly CandidateRow _candidates = new(Count);

    /// <param name="gpu">Where to.</param>
    /// <param name="rows">At least one.</param>
    /// <param name="cuts">First tokens of all parts but the first, ascending.</param>
    public VocabularyParts(Gpu gpu, float[][] rows, params int[] cuts)
    {
        Rows = rows;
        int[] borders = [0, .. cuts, rows[0].Length];
        _parts = [.. borders.Zip(borders.Skip(1), (first, end) => Find(gpu, first, end))];
        _host = [.. _parts.Select(part => (Read(gpu, part.Tokens), Read(gpu, part.LogProbs), Read(gpu, part.Maxima), Read(gpu, part.CandidateTokens.AsVector()), Read(gpu, part.CandidateLogits.AsVector())))];
    }

    public float[][] Rows { get; }

    public int Vocabulary => Rows[0].Length;

    /// <summary>As the kernel takes them.</summary>
    public ChoicePart[] Of(int firstRow, int rows, bool hasCandidates = true) =>
    [
        .. _parts.Select(part => new ChoicePart(
            part.Tokens.Slice(firstRow, rows), part.LogProbs.Slice(firstRow, rows), part.Maxima.Slice(firstRow, rows),
            hasCandidates ? part.CandidateTokens.Slice(firstRow, rows) : default, hasCandidates ? part.CandidateLogits.Slice(firstRow, rows) : default, part.FirstToken)),
    ];

    /// <summary>As the kernel that draws from whole rows takes them.</summary>
    public DrawPart[] RowsOf(int firstRow, int rows) =>
    [
        .. _parts.Zip(_logits, (part, logits) => new DrawPart(logits.Slice(firstRow, rows), part.LogProbs.Slice(firstRow, rows), part.Maxima.Slice(firstRow, rows), part.FirstToken)),
    ];

    /// <summary>Of a row, as the host joins them; until the next call.</summary>
    public LogitCandidates Candidates(int row)
    {
        _candidates.Clear();
        var greedy = new GreedyPart[_parts.Length];
        for (var i = 0; i < _parts.Length; i++)
        {
            var (host, first) = (_host[i], _parts[i].FirstToken);
            _candidates.Merge(host.CandidateTokens.AsSpan(row * Count, Count), host.CandidateLogits.AsSpan(row * Count, Count), first);
            greedy[i] = new GreedyPart(first + host.Tokens[row], host.LogProbs[row], host.Maxima[row]);
        }

        return new LogitCandidates(_candidates.Tokens, _candidates.Logits, (double)_candidates.Logits[0] - GreedyParts.Join(greedy).LogProb, Vocabulary);
    }

    public void Dispose() => _buffers.ForEach(buffer => buffer.Dispose());

    private ChoicePart Find(Gpu gpu, int first, int end)
    {
        var (rows, vocabulary) = (Rows.Length, end - first);
        var logits = Keep(gpu.Upload([.. Rows.SelectMany(row => row[first..end])], rows, vocabulary)).Matrix;
        _logits.Add(logits);
        var (tokens, logProbs, maxima) = (Keep(gpu.Poisoned<int>(1, rows)).Vector, Keep(gpu.Poisoned<float>(1, rows)).Vector, Keep(gpu.Poisoned<float>(1, rows)).Vector);
        var (candidateTokens, candidateLogits) = (Keep(gpu.Poisoned<int>(rows, Count)).Matrix, Keep(gpu.Poisoned<float>(rows, Count)).Matrix);
        using var workspace = gpu.Poisoned<byte>(1, Math.Max(GreedySampling.WorkspaceBytes(rows), TopCandidates.WorkspaceBytes(rows, vocabulary, Count)));
        new GreedySampling(gpu.Module("Sampling", ElementType.Float32)).Enqueue(gpu.Stream, logits, tokens, logProbs, workspace.Vector, maxima);
        new TopCandidates(gpu.Module("TopCandidates", ElementType.Float32)).Enqueue(gpu.Stream, logits, candidateTokens, candidateLogits, workspace.Vector);
        gpu.Stream.Synchronize();
        return new ChoicePart(tokens, logProbs, maxima, candidateTokens, candidateLogits, first);
    }

    private DeviceBuffer<T> Keep<T>(DeviceBuffer<T> buffer)
        where T : unmanaged
    {
        _buffers.Add(buffer);
        return buffer;
    }

    private static T[] Read<T>(Gpu gpu, DeviceVector<T> vector)
        where T : unmanaged
    {
        var values = new T[vector.Length];
        gpu.Stream.Download(vector, values.AsSpan());
        return values;
    }
}
