using Loire.Contracts;
using Loire.Engine.Replica;

namespace Loire.Silo.Links;

/// <summary>The parts that an engine is joined from. Owns the links to those on other silos; the others belong to <see cref="TensorLinks"/>.</summary>
/// <remarks>Opened and changed by one grain's calls; links may be cut from any thread.</remarks>
internal sealed class LinkedParts(ICpuStage[] stages, ICpuShard[] shards, Dictionary<IDisposable, string> links) : IDisposable
{
    private readonly Lock _gate = new();

    /// <summary>Whether the links have been cut: the replica is lost, though its engine may not know yet.</summary>
    public bool IsCut { get; private set; }

    public IReadOnlyList<ICpuStage> Stages => stages;

    public IReadOnlyList<ICpuShard> Shards => shards;

    /// <summary>Blocks while it connects.</summary>
    public static LinkedParts Open(TensorLinks links, ReplicaPlan plan, TensorEndpoint[] stages, ExpertTable table)
    {
        var opened = new Dictionary<IDisposable, string>();
        T Keep<T>(TensorEndpoint endpoint, T part)
            where T : IDisposable
        {
            if (!links.IsHere(endpoint))
            {
                opened.Add(part, endpoint.Silo);
            }

            return part;
        }

        try
        {
            return new LinkedParts(
                [.. stages.Select((endpoint, index) => Keep(endpoint, links.Stage(endpoint, plan.Stages[index])))],
                [.. table.Endpoints.Select(endpoint => Keep(endpoint, links.Shard(endpoint)))],
                opened);
        }
        catch
        {
            foreach (var link in opened.Keys)
            {
                link.Dispose();
            }

            throw;
        }
    }

    /// <summary>Puts a shard in another's place, which no step uses any more.</summary>
    /// <param name="index">Of the shard.</param>
    /// <param name="to">The new one.</param>
    /// <param name="silo">Address of its silo, when it is behind a link.</param>
    public void Replace(int index, ICpuShard to, string? silo)
    {
        lock (_gate)
        {
            if (links.Remove(shards[index]))
            {
                shards[index].Dispose();
            }

            shards[index] = to;
            if (silo is not null)
            {
                links.Add(to, silo);
            }
        }
    }

    /// <summary>Cuts every link if one of them leads to a silo that is gone: a part that waits for another one there would wait for long. The step that runs fails, or the next one.</summary>
    /// <returns>The silo that is gone; null: all are there, or nothing is linked any more.</returns>
    public string? CutIfGone(Func<string, bool> isThere)
    {
        lock (_gate)
        {
            var gone = IsCut ? null : links.Values.FirstOrDefault(silo => !isThere(silo));
            if (gone is not null)
            {
                Cut();
            }

            return gone;
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            Cut();
            links.Clear();
        }
    }

    private void Cut()
    {
        IsCut = true;
        foreach (var link in links.Keys)
        {
            link.Dispose();
        }
    }
}
