using System.Reflection;

namespace Loire.Actors.Manifest;

/// <summary>Finds the generated manifests of the process: those of the loaded assemblies and of all that they refer to.</summary>
internal static class AssemblyManifests
{
    /// <summary>All manifests, each once.</summary>
    public static IEnumerable<AssemblyManifest> All()
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var next = new Queue<Assembly>(AppDomain.CurrentDomain.GetAssemblies());
        while (next.TryDequeue(out var assembly))
        {
            if (assembly.IsDynamic || assembly.FullName is not { } name || IsFramework(name) || !seen.Add(name))
            {
                continue;
            }

            if (Of(assembly) is { } manifest)
            {
                yield return manifest;
            }

            foreach (var reference in assembly.GetReferencedAssemblies())
            {
                if (!IsFramework(reference.FullName) && Load(reference) is { } loaded)
                {
                    next.Enqueue(loaded);
                }
            }
        }
    }

    /// <summary>The manifest of one assembly, if it has one.</summary>
    public static AssemblyManifest? Of(Assembly assembly) =>
        assembly.GetCustomAttribute<ActorManifestAttribute>() is { } attribute
            ? (AssemblyManifest?)Activator.CreateInstance(attribute.Manifest, nonPublic: true)
            : null;

    private static bool IsFramework(string name) =>
        name.StartsWith("System", StringComparison.Ordinal)
        || name.StartsWith("Microsoft.", StringComparison.Ordinal)
        || name.StartsWith("netstandard", StringComparison.Ordinal)
        || name.StartsWith("mscorlib", StringComparison.Ordinal);

    private static Assembly? Load(AssemblyName name)
    {
        try
        {
            return Assembly.Load(name);
        }
        catch (Exception exception) when (exception is IOException or BadImageFormatException)
        {
            return null; // an optional reference that was not deployed has no grains to offer
        }
    }
}
