using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Loire.Engine.Placement;

/// <summary>The GPUs of a replica as a person names them: one group for each layer stage, in layer order.</summary>
/// <remarks>
/// <para>The GPUs of a group share the layers of their stage: each has a range of the heads, of the experts and of the vocabulary.</para>
/// <para><c>0</c> is one GPU; <c>0+1</c> two that share all layers; <c>0,1</c> two stages; <c>0+1,2+3</c> two stages of two each. Groups may have different sizes.</para>
/// </remarks>
/// <param name="Stages">Ordinals as the driver counts, from 0. No group is empty, and no GPU is named twice.</param>
public sealed record GpuGroups(ImmutableArray<ImmutableArray<int>> Stages)
{
    private const string Examples = "Write 0 for one GPU, 0+1 for two that share the layers, 0,1 for two stages, 0+1,2+3 for two stages of two each.";

    /// <inheritdoc cref="GpuGroups(ImmutableArray{ImmutableArray{int}})"/>
    public ImmutableArray<ImmutableArray<int>> Stages { get; } =
        Fault(Stages) is { } fault ? throw new ArgumentException($"{fault} {Examples}", nameof(Stages)) : Stages;

    /// <summary>All GPUs, in order.</summary>
    public IEnumerable<int> Devices => Stages.SelectMany(group => group);

    public static GpuGroups Of(int device) => new([[device]]);

    /// <summary>Reads what a person writes.</summary>
    /// <param name="text">Such as <c>0+1,2+3</c>.</param>
    /// <param name="groups">What it says.</param>
    /// <param name="error">What was found, and what would be right.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out GpuGroups? groups, [NotNullWhen(false)] out string? error)
    {
        groups = null;
        var stages = ImmutableArray.CreateBuilder<ImmutableArray<int>>();
        foreach (var group in text.Split(','))
        {
            var devices = ImmutableArray.CreateBuilder<int>();
            foreach (var name in group.Split('+'))
            {
                if (!int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var device))
                {
                    error = $"'{text}' has {(name.Length == 0 ? "nothing" : $"'{name}'")} where the number of a GPU is expected. {Examples}";
                    return false;
                }

                devices.Add(device);
            }

            stages.Add(devices.ToImmutable());
        }

        error = Fault(stages.ToImmutable()) is { } fault ? $"'{text}': {fault} {Examples}" : null;
        groups = error is null ? new GpuGroups(stages.ToImmutable()) : null;
        return groups is not null;
    }

    public bool Equals(GpuGroups? other) =>
        other is not null && Stages.Length == other.Stages.Length && Stages.Zip(other.Stages).All(pair => pair.First.SequenceEqual(pair.Second));

    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach (var group in Stages)
        {
            hash.Add(group.Length);
            foreach (var device in group)
            {
                hash.Add(device);
            }
        }

        return hash.ToHashCode();
    }

    /// <summary>As a person writes it: <c>0+1,2+3</c> is two stages of two GPUs each.</summary>
    public override string ToString() => string.Join(',', Stages.Select(NameOf));

    /// <summary>One group as a person writes it.</summary>
    internal static string NameOf(ImmutableArray<int> group) => string.Join('+', group);

    private static string? Fault(ImmutableArray<ImmutableArray<int>> stages)
    {
        if (stages.IsDefaultOrEmpty || stages.Any(group => group.IsDefaultOrEmpty))
        {
            return "A group has no GPU.";
        }

        HashSet<int> seen = [];
        foreach (var device in stages.SelectMany(group => group))
        {
            if (device < 0)
            {
                return $"GPU {device} is named; they are counted from 0.";
            }

            if (!seen.Add(device))
            {
                return $"GPU {device} is named twice.";
            }
        }

        return null;
    }
}
