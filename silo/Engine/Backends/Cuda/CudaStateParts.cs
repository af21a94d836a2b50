using Loire.Engine.State;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Canonical states of a replica, whose layers lie in stages and whose heads lie in parts: each part's heads are one range of the blob.</summary>
internal sealed class CudaStateParts
{
    private readonly CudaPart[][] _partsOfLayer;
    private readonly CudaPart[] _parts;

    public CudaStateParts(CudaStage[] stages)
    {
        _parts = [.. stages.SelectMany(stage => stage.Parts)];
        _partsOfLayer = [.. stages.SelectMany(stage => Enumerable.Repeat(stage.Parts, stage.First.Range.EndLayer - stage.First.Range.FirstLayer))];
        Shape = new StateShape
        {
            Recurrent = [.. stages.SelectMany(stage => stage.First.States.Shape.Recurrent).Select(one => (one.Layer, PartsOf(one.Layer).Sum(part => part.States.Shape.RecurrentBytesOf(one.Layer))))],
            KeyValue = [.. stages.SelectMany(stage => stage.First.States.Shape.KeyValue).Select(one => (one.Layer, PartsOf(one.Layer).Sum(part => part.States.Shape.KeyValueBytesOf(one.Layer, tokens: 1))))],
        };
    }

    public StateShape Shape { get; }

    public void Clear(int slot) => Array.ForEach(_parts, part => part.Clear(slot));

    public void ReadRecurrent(int layer, int slot, Span<byte> blob)
    {
        foreach (var part in PartsOf(layer))
        {
            var bytes = part.States.Shape.RecurrentBytesOf(layer);
            part.Copier.ReadRecurrent(layer, slot, blob[..bytes]);
            blob = blob[bytes..];
        }
    }

    public void WriteRecurrent(int layer, int slot, ReadOnlySpan<byte> blob)
    {
        foreach (var part in PartsOf(layer))
        {
            var bytes = part.States.Shape.RecurrentBytesOf(layer);
            part.Copier.WriteRecurrent(layer, slot, blob[..bytes]);
            blob = blob[bytes..];
        }
    }

    public void ReadKeyValues(int layer, int page, int tokens, Span<byte> blob)
    {
        var keys = blob[..(blob.Length / 2)];
        var values = blob[(blob.Length / 2)..];
        foreach (var part in PartsOf(layer))
        {
            var bytes = part.States.Shape.KeyValueBytesOf(layer, tokens) / 2;
            part.Copier.ReadKeyValues(layer, page, tokens, keys[..bytes], values[..bytes]);
            keys = keys[bytes..];
            values = values[bytes..];
        }
    }

    public void WriteKeyValues(int layer, int page, int tokens, ReadOnlySpan<byte> blob)
    {
        var keys = blob[..(blob.Length / 2)];
        var values = blob[(blob.Length / 2)..];
        foreach (var part in PartsOf(layer))
        {
            var bytes = part.States.Shape.KeyValueBytesOf(layer, tokens) / 2;
            part.Copier.WriteKeyValues(layer, page, tokens, keys[..bytes], values[..bytes]);
            keys = keys[bytes..];
            values = values[bytes..];
        }
    }

    /// <remarks>Pages that are read later, too, are as all enqueued steps leave them.</remarks>
    /// <returns>Null: too many copies are on their way, or there is no recurrent state.</returns>
    public RecurrentCopy? TryCopy(int slot)
    {
        Array.ForEach(_parts, part => part.Settle());
        if (_parts.Length == 1)
        {
            return _parts[0].TryCopy(slot);
        }

        var copies = new Dictionary<CudaPart, RecurrentCopy>(_parts.Length);
        foreach (var part in _parts.Where(part => part.States.LayerCount > 0))
        {
            if (part.TryCopy(slot) is not { } copy)
            {
                copies.Values.ToList().ForEach(taken => taken.Dispose());
                return null;
            }

            copies.Add(part, copy);
        }

        return copies.Count == 0 ? null : new Joined(this, copies);
    }

    private CudaPart[] PartsOf(int layer) => _partsOfLayer[layer];

    /// <summary>Copies of all parts.</summary>
    private sealed class Joined(CudaStateParts owner, Dictionary<CudaPart, RecurrentCopy> copies) : RecurrentCopy
    {
        public override void Read(int layer, Span<byte> blob)
        {
            foreach (var part in owner.PartsOf(layer))
            {
                var bytes = part.States.Shape.RecurrentBytesOf(layer);
                copies[part].Read(layer, blob[..bytes]);
                blob = blob[bytes..];
            }
        }

        protected override void Dispose(bool disposing)
        {
            foreach (var copy in copies.Values)
            {
                copy.Dispose();
            }
        }
    }
}
