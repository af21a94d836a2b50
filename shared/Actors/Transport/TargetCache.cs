using System.Text;
using Orleans.Runtime;

namespace Loire.Actors.Transport;

/// <summary>References to the grains that a connection calls, by the bytes of their identities: a call that finds one allocates no name. Used by the reader only.</summary>
internal sealed class TargetCache
{
    private const int Slots = 1024;

    private readonly (byte[] Id, GrainReference Reference)[] _slots = new (byte[], GrainReference)[Slots];

    public GrainReference Find(ReadOnlySpan<byte> id, SiloRuntime runtime)
    {
        ref var slot = ref _slots[Checksum.Of(id) % Slots];
        if (slot.Id is null || !id.SequenceEqual(slot.Id))
        {
            slot = (id.ToArray(), runtime.References.CreateAny(GrainId.Parse(Encoding.UTF8.GetString(id))));
        }

        return slot.Reference;
    }
}
