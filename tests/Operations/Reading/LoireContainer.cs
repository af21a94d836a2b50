namespace Loire.Operations.Tests;

/// <summary>A container that runs <c>loire</c>, as some file describes it.</summary>
/// <param name="File">Path of that file.</param>
/// <param name="Name">Of the service, or of the set of pods.</param>
/// <param name="Arguments">The verb and its options, one a word; references to variables are filled in.</param>
/// <param name="Variables">Names of the environment.</param>
/// <param name="GraceSeconds">Between the signal and the kill.</param>
public sealed record LoireContainer(string File, string Name, IReadOnlyList<string> Arguments, IReadOnlyList<string> Variables, int GraceSeconds)
{
    public static IReadOnlyList<LoireContainer> All { get; } = [.. OfCompose(), .. OfKubernetes()];

    public override string ToString() => $"{File}: {Name}";

    private static IEnumerable<LoireContainer> OfCompose()
    {
        const string File = "docker-compose.yml";
        return Yaml.Documents(File).Single().At("services").Members()
            .Where(service => service.Value.At("image").Text() == "loire")
            .Select(service => new LoireContainer(
                File,
                service.Key,
                [.. service.Value.At("command").Items().Select(word => word.Text()!)],
                [.. service.Value.At("environment").Members().Keys],
                int.Parse(service.Value.At("stop_grace_period").Text()!.TrimEnd('s'), System.Globalization.CultureInfo.InvariantCulture)));
    }

    private static IEnumerable<LoireContainer> OfKubernetes() =>
        from file in RepositoryFiles.All
        where file.StartsWith("ops/kubernetes/", StringComparison.Ordinal) && file.EndsWith(".yaml", StringComparison.Ordinal)
        from document in Yaml.Documents(file)
        let pod = document.At("spec", "template", "spec")
        from container in pod.At("containers").Items()
        where container.At("image").Text() == "loire"
        select new LoireContainer(
            file,
            container.At("name").Text()!,
            [.. container.At("args").Items().SelectMany(word => word.Text()!.Replace("$(POD_NAME)", "silo-0", StringComparison.Ordinal).Replace("$(POD_IP)", "10.0.0.7", StringComparison.Ordinal).Split('=', 2))],
            [.. container.At("env").Items().Select(variable => variable.At("name").Text()!)],
            int.Parse(pod.At("terminationGracePeriodSeconds").Text()!, System.Globalization.CultureInfo.InvariantCulture));
}
