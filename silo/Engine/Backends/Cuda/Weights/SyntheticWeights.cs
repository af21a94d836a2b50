using System.Text;
using Loire.Cuda;
using Loire.Engine.Models;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda.Weights;

/// <summary>Fills weights with seeded random numbers, of a size at which activations neither grow nor vanish. Norms are 1.</summary>
/// <remarks>A tensor's numbers depend on the seed, its name and their place in it: however the model is cut, it is the same one.</remarks>
internal sealed class SyntheticWeights(ModelGraph graph, ulong seed)
{
    public void Fill(WeightLayout layout, CudaDevice device)
    {
        using var stream = device.NewStream("synthetic weights");
        using var module = device.Compile(KernelSources.Of("Synthetic", layout.Type));
        using var quantiser = PartQuantiser.For(device, stream, layout);
        var kernel = new Synthetic(module);
        foreach (var part in layout.Parts)
        {
            if (part.TotalColumns is null)
            {
                FillOnes(stream, layout.Address + (ulong)part.Offset, part, layout.Type);
            }
            else if (part.ScaleOffset is null)
            {
                Fill(kernel, stream, part, layout.Address + (ulong)part.Offset);
            }
            else
            {
                quantiser!.Enqueue(part, (rows, target) => Fill(kernel, stream, rows, target)); // the layout has scales
            }
        }

        stream.Synchronize();
    }

    private void Fill(Synthetic kernel, CudaStream stream, WeightPart part, ulong target)
    {
        var sequence = new SyntheticSequence(seed, unchecked(PlaceOf(part.Tensor) + part.FirstElement), BoundOf(part));
        kernel.Enqueue(stream, target, part.Rows.Count, part.Columns, sequence, part.TotalColumns!.Value, part.IsFloat); // not a vector
    }

    /// <summary>A variance of 1 / fan-in keeps a product as large as what goes in; the embedding's is 1.</summary>
    private float BoundOf(WeightPart part) =>
        MathF.Sqrt(3f / (part.Tensor == graph.EmbeddingTensor && !graph.TiedEmbeddings ? 1 : part.TotalColumns ?? 1));

    private static void FillOnes(CudaStream stream, ulong target, WeightPart part, ElementType type)
    {
        if (part.IsFloat || type is ElementType.Float32)
        {
            stream.Fill(new DeviceVector<int>(target, part.Count), BitConverter.SingleToInt32Bits(1));
            return;
        }

        var ones = new ushort[part.Count];
        ones.AsSpan().Fill(((BFloat16)1f).Bits);
        stream.Upload<ushort>(ones, new DeviceVector<ushort>(target, part.Count));
    }

    /// <summary>Where a tensor's numbers begin: far from those of any other. FNV-1a of its name.</summary>
    private static long PlaceOf(string tensor)
    {
        var hash = 14695981039346656037UL;
        foreach (var letter in Encoding.UTF8.GetBytes(tensor))
        {
            hash = unchecked((hash ^ letter) * 1099511628211UL);
        }

        return (long)(hash >> 2);
    }
}
