using Loire.Engine.Models;

namespace Loire.Engine.Placement;

/// <summary>Which numbers of GPUs can share the layers of a model.</summary>
internal static class GroupRules
{
    private const int Most = 64;

    /// <summary>Why so many GPUs cannot share, in a sentence; null: they can.</summary>
    /// <param name="graph">Of the model.</param>
    /// <param name="count">GPUs of the group.</param>
    /// <param name="isLast">It is the last stage's, whose GPUs share the vocabulary too.</param>
    public static string? Obstacle(ModelGraph graph, int count, bool isLast)
    {
        foreach (var (what, figure, mustDivide) in Figures(graph, isLast))
        {
            if (mustDivide && figure % count != 0)
            {
                return $"{what} {figure:N0}, which a group of {count} GPUs cannot share evenly. Group sizes that would do: {SizesOf(graph, isLast)}.";
            }

            if (figure < count)
            {
                return $"{what} {figure:N0}, fewer than the {count} GPUs of a group. Group sizes that would do: {SizesOf(graph, isLast)}.";
            }
        }

        return null;
    }

    public static bool CanShare(ModelGraph graph, int count, bool isLast) =>
        count == 1 || Figures(graph, isLast).All(one => one.Figure >= count && (!one.MustDivide || one.Figure % count == 0));

    private static string SizesOf(ModelGraph graph, bool isLast) =>
        string.Join(", ", Enumerable.Range(1, Most).Where(count => CanShare(graph, count, isLast)));

    private static IEnumerable<(string What, int Figure, bool MustDivide)> Figures(ModelGraph graph, bool isLast)
    {
        if (isLast)
        {
            yield return ("The vocabulary is", graph.VocabularySize, true);
        }

        foreach (var layer in graph.Layers)
        {
            if (layer.Mixer is LightningSpec lightning)
            {
                yield return ($"The heads of layer {layer.Index} are", lightning.Heads, true);
            }
            else if (layer.Mixer is SoftmaxSpec softmax)
            {
                yield return ($"The heads of layer {layer.Index} are", softmax.Heads, true);
                yield return ($"The key-value heads of layer {layer.Index} are", softmax.KeyValueHeads, true);
            }

            if (layer.FeedForward is DenseSpec dense)
            {
                yield return ($"The width of the feed-forward of layer {layer.Index} is", dense.Width, true);
            }
            else if (layer.FeedForward is MoeSpec moe)
            {
                yield return ($"The experts of layer {layer.Index} are", moe.Experts, false);
                if (moe.Shared is { } shared)
                {
                    yield return ($"The width of the shared expert of layer {layer.Index} is", shared.Width, true);
                }
            }
        }
    }
}
