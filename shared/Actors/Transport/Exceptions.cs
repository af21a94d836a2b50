using System.Collections.Concurrent;
using System.Reflection;
using Loire.Actors.Serialization;
using Orleans.Runtime;

namespace Loire.Actors.Transport;

/// <summary>Exceptions on the wire: those with a codec as they are, others by type, message and cause.</summary>
/// <remarks>Only types of the runtime and of assemblies with grains are made again, and only by a constructor that takes a message; all else becomes an <see cref="OrleansException"/> that names the type.</remarks>
internal static class Exceptions
{
    private const int MaxDepth = 8;
    private const int KnownTypes = 1_000;

    private static readonly ConcurrentDictionary<string, Func<string, Exception?, Exception?>?> Makers = new(StringComparer.Ordinal);

    public static void Write(WireWriter writer, Exception exception) => Write(writer, exception, 0);

    public static Exception Read(WireReader reader)
    {
        if (reader.Byte() == 1)
        {
            var alias = reader.Text();
            var codec = Codecs.Named(alias);
            return codec?.ReadBoxed(reader) as Exception ?? new OrleansException($"The call failed with a '{alias}', which this process does not know.");
        }

        var type = reader.Text();
        var message = reader.Text();
        var inner = reader.Byte() == 0 ? null : Read(reader);
        return Make(type, message, inner);
    }

    private static void Write(WireWriter writer, Exception exception, int depth)
    {
        if (Codecs.TryOf(exception.GetType()) is { Alias.Length: > 0 } codec)
        {
            writer.Byte(1);
            writer.Text(codec.Alias);
            codec.WriteBoxed(writer, exception);
            return;
        }

        writer.Byte(0);
        writer.Text(exception.GetType().FullName ?? "");
        writer.Text(exception.Message);
        var inner = depth < MaxDepth ? exception.InnerException : null;
        writer.Byte(inner is null ? (byte)0 : (byte)1);
        if (inner is not null)
        {
            Write(writer, inner, depth + 1);
        }
    }

    private static Exception Make(string type, string message, Exception? inner)
    {
        if (!Makers.TryGetValue(type, out var make))
        {
            make = Find(type);
            if (Makers.Count < KnownTypes)
            {
                Makers.TryAdd(type, make);
            }
        }

        return make?.Invoke(message, inner) ?? new OrleansException($"{type}: {message}", inner);
    }

    private static Func<string, Exception?, Exception?>? Find(string name)
    {
        var type = typeof(Exception).Assembly.GetType(name)
            ?? typeof(OrleansException).Assembly.GetType(name)
            ?? AppDomain.CurrentDomain.GetAssemblies()
                .Where(assembly => !assembly.IsDynamic && (IsSystem(assembly) || assembly.IsDefined(typeof(Manifest.ActorManifestAttribute))))
                .Select(assembly => assembly.GetType(name))
                .FirstOrDefault(found => found is not null);
        if (type is null || !typeof(Exception).IsAssignableFrom(type) || type.IsAbstract)
        {
            return null;
        }

        var full = type.GetConstructor([typeof(string), typeof(Exception)]);
        var plain = type.GetConstructor([typeof(string)]);
        return (message, inner) => Same(Invoke(full, message, inner), message) ?? Same(inner is null ? Invoke(plain, message) : null, message);
    }

    private static bool IsSystem(Assembly assembly) => assembly.FullName?.StartsWith("System.", StringComparison.Ordinal) == true;

    private static Exception? Invoke(ConstructorInfo? constructor, params object?[] arguments) => (Exception?)constructor?.Invoke(arguments);

    private static Exception? Same(Exception? exception, string message) => exception?.Message == message ? exception : null;
}
