using Loire.Contracts;
using Loire.Engine.Replica;

namespace Loire.Silo.Links;

/// <summary>The parts that an engine is joined from. Owns the links to those on other silos; the others belong to <see cref="TensorLinks"/>.</summary>
internal sealed class LinkedParts(ICpuStage[] stages, ICpuShard[] shards, HashSet<IDisposable> links) : IDisposable
{
    public IReadOnlyList<ICpuStage> Stages => stages;

    public IReadOnlyList<ICpuShard> Shards => shards;

    /// <summary>Blocks while it connects.</summary>
    public static LinkedParts Open(TensorLinks links, ReplicaPlan plan, TensorEndpoint[] stages, ExpertTable table)
    {
        var opened = new HashSet<IDisposable>();
        T Keep<T>(TensorEndpoint endpoint, T part)
            where T : IDisposable
        {
            if (!links.IsHere(endpoint))
            {
                opened.Add(part);
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
            foreach (var link in opened)
            {
                link.Dispose();
            }

            throw;
        }
    }

    /// <summary>Puts a shard in another's place, which no step uses any more.</summary>
    public void Replace(int index, ICpuShard to, bool isLink)
    {
        if (links.Remove(shards[index]))
        {
            shards[index].Dispose();
        }

        shards[index] = to;
        if (isLink)
        {
            links.Add(to);
        }
    }

    public void Dispose()
    {
        foreach (var link in links)
        {
            link.Dispose();
        }

        links.Clear();
    }
}
