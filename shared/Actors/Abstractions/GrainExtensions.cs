using System.Globalization;
using Orleans.Runtime;

namespace Orleans;

/// <summary>What can be asked of a grain object and of a reference alike.</summary>
public static class GrainExtensions
{
    /// <summary>The identity of the grain.</summary>
    /// <exception cref="ArgumentException">The object is neither a grain nor a reference.</exception>
    public static GrainId GetGrainId(this IAddressable grain) => grain switch
    {
        GrainReference reference => reference.GrainId,
        IGrainBase instance => instance.GrainContext.GrainId,
        _ => throw new ArgumentException($"{grain?.GetType().FullName ?? "null"} is neither a grain nor a grain reference.", nameof(grain)),
    };

    /// <summary>The key of a grain whose key is text.</summary>
    public static string GetPrimaryKeyString(this IAddressable grain) => grain.GetGrainId().Key.ToString();

    /// <summary>The key of a grain whose key is a number.</summary>
    /// <exception cref="FormatException">The key is not a number.</exception>
    public static long GetPrimaryKeyLong(this IAddressable grain) =>
        long.Parse(grain.GetPrimaryKeyString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);

    /// <summary>The key of a grain whose key is a <see cref="Guid"/>.</summary>
    /// <exception cref="FormatException">The key is not a <see cref="Guid"/>.</exception>
    public static Guid GetPrimaryKey(this IAddressable grain) => Guid.Parse(grain.GetPrimaryKeyString());

    /// <summary>A reference to the same grain through another of its interfaces.</summary>
    /// <exception cref="ArgumentException">The object is neither a grain nor a reference.</exception>
    public static TGrainInterface AsReference<TGrainInterface>(this IAddressable grain) => grain switch
    {
        GrainReference reference => reference.Cast<TGrainInterface>(),
        IGrainBase instance => instance.GrainContext.GrainReference.Cast<TGrainInterface>(),
        _ => throw new ArgumentException($"{grain?.GetType().FullName ?? "null"} is neither a grain nor a grain reference.", nameof(grain)),
    };

    /// <inheritdoc cref="AsReference{TGrainInterface}"/>
    public static TGrainInterface Cast<TGrainInterface>(this IAddressable grain) => grain.AsReference<TGrainInterface>();
}
