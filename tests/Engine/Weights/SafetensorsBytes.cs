using System.Buffers.Binary;
using System.Text;

namespace Loire.Engine.Tests.Weights;

/// <summary>Builds safetensors files byte by byte, right and wrong ones.</summary>
internal static class SafetensorsBytes
{
    public static byte[] Of(string header, int dataBytes) => Of(Encoding.UTF8.GetBytes(header), dataBytes);

    public static byte[] Of(byte[] header, int dataBytes, ulong? claimedLength = null)
    {
        var file = new byte[8 + header.Length + dataBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(file, claimedLength ?? (ulong)header.Length);
        header.CopyTo(file, 8);
        for (var i = 8 + header.Length; i < file.Length; i++)
        {
            file[i] = (byte)i;
        }

        return file;
    }

    public static string Tensor(string name, string type, string shape, string offsets) =>
        $$"""
        "{{name}}":{"dtype":"{{type}}","shape":{{shape}},"data_offsets":{{offsets}}}
        """;

    /// <summary>Two tensors, a metadata entry and padding.</summary>
    public static byte[] Small() => Of(
        $$"""{"__metadata__":{"format":"pt"},{{Tensor("a", "F32", "[2,3]", "[0,24]")}},{{Tensor("b", "BF16", "[5]", "[24,34]")}}}  """, 34);
}
