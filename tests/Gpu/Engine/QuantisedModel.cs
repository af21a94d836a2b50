using System.Runtime.InteropServices;
using Loire.Engine.Models;
using Loire.Engine.Weights;
using Loire.Kernels;

namespace Loire.Gpu.Tests.Engine;

/// <summary>A copy of a model whose experts' weights are the numbers that 8 bits and a scale a block stand for. Gone after the test.</summary>
internal sealed class QuantisedModel : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("loire-quantised-");

    public QuantisedModel(string folder)
    {
        foreach (var file in Directory.EnumerateFiles(folder, "*.json"))
        {
            File.Copy(file, Path.Combine(_folder.FullName, Path.GetFileName(file)));
        }

        var experts = ModelFolder.Open(folder).Graph.Layers
            .SelectMany(layer => layer.FeedForward is MoeSpec moe ? Enumerable.Range(0, moe.Experts).Select(moe.Expert) : [])
            .SelectMany(expert => new[] { expert.Gate, expert.Up, expert.Down })
            .ToHashSet(StringComparer.Ordinal);
        using var source = SafetensorsFile.Open(Path.Combine(folder, WeightSource.SingleFile));
        SafetensorsWriter.Write(
            Path.Combine(_folder.FullName, WeightSource.SingleFile),
            source.Tensors.Keys.Order(StringComparer.Ordinal).Select(name => Copy(source.Get(name), experts.Contains(name))));
    }

    public string Folder => _folder.FullName;

    public void Dispose() => _folder.Delete(recursive: true);

    private static TensorToWrite Copy(TensorView tensor, bool isExpert)
    {
        var numbers = tensor.ToSingleArray();
        if (isExpert)
        {
            var (rows, columns) = ((int)tensor.Shape[0], (int)tensor.Shape[1]);
            var (codes, scales) = QuantiseReference.Apply(numbers, rows, columns);
            numbers = QuantiseReference.Back(codes, scales, rows, columns);
        }

        return new TensorToWrite(tensor.Name, TensorType.F32, [.. tensor.Shape], MemoryMarshal.AsBytes(numbers.AsSpan()).ToArray());
    }
}
