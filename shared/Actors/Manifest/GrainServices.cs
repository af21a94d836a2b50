using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime;

namespace Loire.Actors.Manifest;

/// <summary>What generated code makes a grain object from: the arguments of its constructor.</summary>
public readonly struct GrainServices
{
    private readonly Activation _activation;

    internal GrainServices(Activation activation) => _activation = activation;

    /// <summary>The context of the activation.</summary>
    public IGrainContext Context => _activation;

    /// <summary>The services of the activation.</summary>
    public IServiceProvider Provider => _activation.ActivationServices;

    /// <summary>A service, or an exception that names the grain class.</summary>
    /// <exception cref="InvalidOperationException">There is none.</exception>
    public T Get<T>()
        where T : notnull =>
        Provider.GetService<T>() ?? throw Missing(typeof(T), null);

    /// <summary>A service of this key, or an exception that names the grain class.</summary>
    /// <exception cref="InvalidOperationException">There is none.</exception>
    public T GetKeyed<T>(object? key)
        where T : notnull =>
        Provider.GetKeyedService<T>(key) ?? throw Missing(typeof(T), key);

    /// <summary>A service, or null.</summary>
    public T? GetOptional<T>() => Provider.GetService<T>();

    /// <summary>A stored state.</summary>
    public IPersistentState<T> State<T>(string name, string? storage) => PersistentState<T>.Create(_activation, name, storage);

    private InvalidOperationException Missing(Type service, object? key) =>
        new($"{_activation.Class.Name} needs {service.FullName}{(key is null ? "" : $" with key '{key}'")}, and the silo's services have none. Register it with ConfigureServices.");
}
