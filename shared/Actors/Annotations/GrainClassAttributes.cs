using System.Globalization;

namespace Orleans;

/// <summary>How long an activation of this grain class may be idle before the silo deactivates it; one minute at least.</summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = false)]
public class CollectionAgeLimitAttribute : Attribute
{
    /// <summary>The shortest limit; a shorter one is raised to it.</summary>
    public static readonly TimeSpan MinAgeLimit = TimeSpan.FromMinutes(1);

    private readonly TimeSpan? _limit;

    /// <summary>The limit is given by <see cref="Days"/>, <see cref="Hours"/> and <see cref="Minutes"/>.</summary>
    public CollectionAgeLimitAttribute()
    {
    }

    /// <summary>The limit, written as <c>hh:mm:ss</c>.</summary>
    public CollectionAgeLimitAttribute(string inactivityPeriod) => _limit = TimeSpan.Parse(inactivityPeriod, CultureInfo.InvariantCulture);

    /// <summary>Days to add to the limit.</summary>
    public double Days { get; set; }

    /// <summary>Hours to add to the limit.</summary>
    public double Hours { get; set; }

    /// <summary>Minutes to add to the limit.</summary>
    public double Minutes { get; set; }

    /// <summary>The grain is never collected for being idle.</summary>
    public bool AlwaysActive { get; set; }

    /// <summary>The limit.</summary>
    public TimeSpan AgeLimit => AlwaysActive ? TimeSpan.FromDays(short.MaxValue) : _limit ?? Sum();

    private TimeSpan Sum()
    {
        var sum = TimeSpan.FromDays(Days) + TimeSpan.FromHours(Hours) + TimeSpan.FromMinutes(Minutes);
        return sum < MinAgeLimit ? MinAgeLimit : sum;
    }
}

/// <summary>Activations of this grain class are never collected for being idle.</summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = false)]
public class KeepAliveAttribute : Attribute;

/// <summary>Names the grain type on the wire, in place of the class name without its <c>Grain</c>.</summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = false)]
public sealed class GrainTypeAttribute(string grainType) : Attribute
{
    /// <summary>The grain type.</summary>
    public string GrainType { get; } = grainType;
}
