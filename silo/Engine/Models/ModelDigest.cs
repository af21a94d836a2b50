using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Loire.Engine.Weights;

namespace Loire.Engine.Models;

/// <summary>Computes <see cref="ModelFolder.Digest"/>.</summary>
internal static class ModelDigest
{
    private const long WholeFileBytes = 256L << 20;
    private const int SampleBytes = 4096;

    public static string Compute(string folder, MappedWeights weights)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData("loire-model/1\n"u8);
        var config = ModelFiles.ReadSmall(Path.Combine(folder, ModelConfig.FileName), JsonBytes.MaxBytes);
        AppendTitle(hash, ModelConfig.FileName, config.Length);
        hash.AppendData(config);
        foreach (var file in weights.Files)
        {
            AppendTitle(hash, Path.GetFileName(file.Path), file.Length);
            AppendContent(hash, file);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static void AppendContent(IncrementalHash hash, SafetensorsFile file)
    {
        const int piece = 1 << 20;
        var whole = file.Length <= WholeFileBytes ? file.Length : file.HeaderLength;
        for (var at = 0L; at < whole; at += piece)
        {
            hash.AppendData(file.Bytes(at, (int)Math.Min(piece, whole - at)));
        }

        if (whole < file.Length)
        {
            foreach (var tensor in file.Tensors.Values.OrderBy(t => t.Offset).ThenBy(t => t.Name, StringComparer.Ordinal))
            {
                AppendSamples(hash, file, tensor);
            }
        }
    }

    /// <summary>The beginning, the middle and the end.</summary>
    private static void AppendSamples(IncrementalHash hash, SafetensorsFile file, TensorEntry tensor)
    {
        var bytes = (int)Math.Min(SampleBytes, tensor.Length);
        hash.AppendData(file.Bytes(tensor.Offset, bytes));
        hash.AppendData(file.Bytes(tensor.Offset + ((tensor.Length - bytes) / 2), bytes));
        hash.AppendData(file.Bytes(tensor.Offset + tensor.Length - bytes, bytes));
    }

    /// <summary>Name and length, each of a length that is clear, so that no two folders give the same bytes.</summary>
    private static void AppendTitle(IncrementalHash hash, string name, long length)
    {
        var title = Encoding.UTF8.GetBytes(name);
        Span<byte> sizes = stackalloc byte[12];
        BinaryPrimitives.WriteInt32LittleEndian(sizes, title.Length);
        BinaryPrimitives.WriteInt64LittleEndian(sizes[4..], length);
        hash.AppendData(sizes);
        hash.AppendData(title);
    }
}
