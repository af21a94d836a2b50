using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Loire.Engine.Replica;
using Loire.Engine.State;

namespace Loire.Host.Tests;

/// <summary>What the state after some tokens has to be: a function of those tokens, so that any mix-up shows.</summary>
internal static class ScriptedState
{
    public static StateShape Shape { get; } = new()
    {
        Recurrent = [(0, 32), (2, 64)],
        KeyValue = [(1, 4), (3, 8)],
    };

    public static byte[] Recurrent(int layer, ReadOnlySpan<int> tokens) => Fill(layer, tokens, Shape.Recurrent.Single(entry => entry.Layer == layer).Bytes);

    public static byte[] Page(int layer, int page, ReadOnlySpan<int> tokens) =>
        Fill(layer, tokens[..((page + 1) * StateShape.PageTokens)], BytesPerToken(layer) * StateShape.PageTokens);

    public static byte[] Tail(int layer, ReadOnlySpan<int> tokens) => Fill(layer, tokens, BytesPerToken(layer) * (tokens.Length % StateShape.PageTokens));

    private static int BytesPerToken(int layer) => Shape.KeyValue.Single(entry => entry.Layer == layer).BytesPerToken;

    private static byte[] Fill(int layer, ReadOnlySpan<int> tokens, int length)
    {
        var seed = SHA256.HashData([(byte)layer, .. MemoryMarshal.AsBytes(tokens)]);
        return [.. Enumerable.Range(0, length).Select(i => (byte)(seed[i % seed.Length] + (i / seed.Length)))];
    }
}

/// <summary>Takes a restored state and compares every blob with what it has to be.</summary>
internal sealed class ScriptedTarget(int[] tokens) : StateTarget
{
    private readonly HashSet<(string Kind, int Layer, int Page)> _written = [];

    public override StateShape Shape => ScriptedState.Shape;

    public override int TokenCount => tokens.Length;

    /// <exception cref="InvalidOperationException">A blob is missing, came twice, or is another's.</exception>
    public void Audit()
    {
        var expected = Shape.Recurrent.Length + (Shape.KeyValue.Length * (FullPages + (TailTokens > 0 ? 1 : 0)));
        if (_written.Count != expected)
        {
            throw new InvalidOperationException($"{_written.Count} blobs of {expected} were restored.");
        }
    }

    public override void WriteRecurrent(int layer, ReadOnlySpan<byte> blob) => Check("recurrent", layer, 0, blob, ScriptedState.Recurrent(layer, tokens));

    public override void WritePage(int layer, int page, ReadOnlySpan<byte> blob) => Check("page", layer, page, blob, ScriptedState.Page(layer, page, tokens));

    public override void WriteTail(int layer, ReadOnlySpan<byte> blob) => Check("tail", layer, 0, blob, ScriptedState.Tail(layer, tokens));

    private void Check(string kind, int layer, int page, ReadOnlySpan<byte> blob, ReadOnlySpan<byte> expected)
    {
        if (blob.Length != expected.Length)
        {
            throw new StateRefusedException($"{kind} of layer {layer}, page {page} has {blob.Length} bytes, not {expected.Length}.");
        }

        lock (_written)
        {
            if (!_written.Add((kind, layer, page)) || !blob.SequenceEqual(expected))
            {
                throw new InvalidOperationException($"{kind} of layer {layer}, page {page} came twice or is not the state of these tokens.");
            }
        }
    }
}

internal sealed class ScriptedSnapshot(int[] tokens, int fromPage, Action disposed) : StateSnapshot
{
    private bool _disposed;

    public override StateShape Shape => ScriptedState.Shape;

    public override int TokenCount => tokens.Length;

    public override int FromPage => fromPage;

    public override void ReadRecurrent(int layer, Span<byte> blob) => Copy(ScriptedState.Recurrent(layer, tokens), blob);

    public override void ReadPage(int layer, int page, Span<byte> blob) => Copy(
        page >= fromPage ? ScriptedState.Page(layer, page, tokens) : throw new InvalidOperationException($"Page {page} was left out of the snapshot."), blob);

    public override void ReadTail(int layer, Span<byte> blob) => Copy(ScriptedState.Tail(layer, tokens), blob);

    protected override void Dispose(bool disposing)
    {
        if (!_disposed)
        {
            _disposed = true;
            disposed();
        }
    }

    private void Copy(byte[] content, Span<byte> blob)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (content.Length != blob.Length)
        {
            throw new InvalidOperationException($"A blob has {content.Length} bytes; {blob.Length} were asked for.");
        }

        content.CopyTo(blob);
    }
}
