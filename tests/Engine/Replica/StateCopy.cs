using Loire.Engine.Replica;
using Loire.Engine.State;

namespace Loire.Engine.Tests.Replica;

/// <summary>A state outside any replica: its blobs, as a store keeps them.</summary>
internal sealed class StoredState
{
    private readonly Dictionary<(string Kind, int Layer, int Page), byte[]> _blobs = [];

    public StoredState(StateSnapshot snapshot)
    {
        TokenCount = snapshot.TokenCount;
        foreach (var (layer, bytes) in snapshot.Shape.Recurrent)
        {
            snapshot.ReadRecurrent(layer, Blob("recurrent", layer, 0, bytes));
        }

        foreach (var (layer, perToken) in snapshot.Shape.KeyValue)
        {
            for (var page = 0; page < snapshot.FullPages; page++)
            {
                snapshot.ReadPage(layer, page, Blob("page", layer, page, perToken * StateShape.PageTokens));
            }

            if (snapshot.TailTokens > 0)
            {
                snapshot.ReadTail(layer, Blob("tail", layer, 0, perToken * snapshot.TailTokens));
            }
        }
    }

    public int TokenCount { get; }

    public StateRestore Restore => new(TokenCount, (into, _) =>
    {
        foreach (var ((kind, layer, page), blob) in _blobs)
        {
            switch (kind)
            {
                case "recurrent":
                    into.WriteRecurrent(layer, blob);
                    break;
                case "page":
                    into.WritePage(layer, page, blob);
                    break;
                default:
                    into.WriteTail(layer, blob);
                    break;
            }
        }

        return ValueTask.CompletedTask;
    });

    private byte[] Blob(string kind, int layer, int page, int bytes) => _blobs[(kind, layer, page)] = new byte[bytes];
}
