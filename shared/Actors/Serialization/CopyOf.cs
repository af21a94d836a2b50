namespace Loire.Actors.Serialization;

/// <summary>Copies arguments, results and members; called by generated code for all that can change.</summary>
public static class CopyOf
{
    /// <summary>A copy that shares nothing that can change with <paramref name="value"/>; null for null.</summary>
    public static T Value<T>(T value) => value is null ? value : Codecs.Get<T>().Copy(value);
}
