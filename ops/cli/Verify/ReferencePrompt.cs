using Loire.Engine.Weights;

namespace Loire.Cli.Verify;

/// <summary>One prompt of a <c>reference.safetensors</c>: token ids, and the logits that another implementation computed for them.</summary>
/// <param name="Name">What stands after the dot: <c>ids.NAME</c>. Usually the prompt's length.</param>
/// <param name="Ids">The prompt.</param>
/// <param name="Positions">Positions that have logits, ascending.</param>
/// <param name="Logits">One row of <c>[vocabulary]</c> a position.</param>
/// <param name="Generated">The greedy continuation; empty when the file has none.</param>
internal sealed record ReferencePrompt(string Name, int[] Ids, int[] Positions, TensorView Logits, int[] Generated)
{
    /// <summary>The prompts of a file, the shortest first. Valid as long as the file is open.</summary>
    public static IReadOnlyList<ReferencePrompt> Read(SafetensorsFile file, int vocabulary)
    {
        const string ids = "ids.";
        var prompts = file.Tensors.Keys
            .Where(name => name.StartsWith(ids, StringComparison.Ordinal))
            .Select(name => Read(file, name[ids.Length..], vocabulary))
            .OrderBy(prompt => prompt.Ids.Length)
            .ToArray();
        return prompts.Length > 0
            ? prompts
            : throw new ModelFormatException(file.Path, "there is no tensor 'ids.N'; a reference holds 'ids.N' and 'logits.N' for each prompt.");
    }

    /// <summary>The reference's logits at <c>Positions[row]</c>.</summary>
    public void CopyLogits(int row, Span<float> destination) => Logits.CopyTo((long)row * destination.Length, destination);

    private static ReferencePrompt Read(SafetensorsFile file, string name, int vocabulary)
    {
        var ids = file.Get($"ids.{name}").ToInt32Array();
        var positions = file.Tensors.ContainsKey($"positions.{name}")
            ? file.Get($"positions.{name}").ToInt32Array()
            : [.. Enumerable.Range(0, ids.Length)];
        var generated = file.Tensors.ContainsKey($"generated.{name}") ? file.Get($"generated.{name}").ToInt32Array() : [];
        var logits = file.Get($"logits.{name}");
        if (logits.Shape is not [var rows, var columns] || rows != positions.Length || columns != vocabulary)
        {
            throw new ModelFormatException(
                file.Path, $"'logits.{name}' has shape [{string.Join(", ", logits.Shape)}]; [{positions.Length}, {vocabulary}] (positions, vocabulary) is expected.");
        }

        return Array.TrueForAll(positions, position => position >= 0 && position < ids.Length)
            ? new ReferencePrompt(name, ids, positions, logits, generated)
            : throw new ModelFormatException(file.Path, $"'positions.{name}' has a position outside of the prompt's {ids.Length} tokens.");
    }
}
