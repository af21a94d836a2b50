using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Loire.Cli.Logits;

/// <summary>Writes a safetensors file with one tensor, <c>logits</c> [T, vocabulary] in fp32, row by row: it is never held in memory.</summary>
/// <remarks>The file appears under its name when it is complete.</remarks>
internal sealed class LogitsWriter : IDisposable
{
    private readonly string _path;
    private readonly string _partial;
    private readonly FileStream _file;
    private readonly int _vocabulary;
    private readonly int _tokens;
    private int _written;

    public LogitsWriter(string path, int tokens, int vocabulary)
    {
        _path = Path.GetFullPath(path);
        _partial = _path + ".partial";
        _tokens = tokens;
        _vocabulary = vocabulary;
        _file = new FileStream(_partial, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 1 << 20);
        WriteHeader();
    }

    public void Add(ReadOnlySpan<float> row)
    {
        if (row.Length != _vocabulary || _written == _tokens)
        {
            throw new InvalidOperationException($"Row {_written} of {_tokens} has {row.Length} values; {_vocabulary} are expected.");
        }

        _file.Write(MemoryMarshal.AsBytes(row)); // little-endian, like every machine that .NET runs on
        _written++;
    }

    public void Complete()
    {
        if (_written != _tokens)
        {
            throw new InvalidOperationException($"{_written} of {_tokens} rows were written.");
        }

        _file.Dispose();
        File.Move(_partial, _path, overwrite: true);
    }

    public void Dispose()
    {
        _file.Dispose();
        File.Delete(_partial);
    }

    private void WriteHeader()
    {
        var json = $$$"""{"logits":{"dtype":"F32","shape":[{{{_tokens}}},{{{_vocabulary}}}],"data_offsets":[0,{{{(long)_tokens * _vocabulary * sizeof(float)}}}]}}""";
        var header = Encoding.ASCII.GetBytes(json.PadRight((json.Length + 7) / 8 * 8)); // the values begin on a multiple of 8
        Span<byte> length = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
        _file.Write(length);
        _file.Write(header);
    }
}
