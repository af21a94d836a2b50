using System.CommandLine;
using System.Text.RegularExpressions;
using Loire.Cli.Cluster;
using YamlDotNet.RepresentationModel;

namespace Loire.Operations.Tests;

/// <summary>What compose and Kubernetes start is what the program takes.</summary>
public sealed partial class ContainerTests
{
    /// <summary>Time that a silo takes at most from the signal to its end: its turns' time to finish, and as much to be cancelled.</summary>
    private static readonly TimeSpan LongestDrain = 2 * new Silo.SiloOptions { ModelFolders = [] }.DrainTimeout;

    private static readonly RootCommand s_program = new() { SiloCommand.Create(), GatewayCommand.Create() };

    public static TheoryData<string> Containers => [.. LoireContainer.All.Select(container => container.ToString())];

    [Fact]
    public void Compose_has_two_silos_and_a_gateway_and_so_has_Kubernetes() => Assert.Equal(
        ["docker-compose.yml: gateway", "docker-compose.yml: silo-1", "docker-compose.yml: silo-2", "ops/kubernetes/gateway.yaml: gateway", "ops/kubernetes/silo.yaml: silo"],
        LoireContainer.All.Select(container => container.ToString()).Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Containers))]
    public void A_command_is_one_that_the_program_takes(string name)
    {
        var parsed = s_program.Parse([.. Container(name).Arguments]);

        Assert.Empty(parsed.Errors);
        Assert.NotSame(s_program, parsed.CommandResult.Command);
    }

    [Theory]
    [MemberData(nameof(Containers))]
    public void An_environment_variable_is_one_that_the_program_reads(string name)
    {
        var unknown = Container(name).Variables.Where(variable => !IsRead(variable) && !variable.StartsWith("POD_", StringComparison.Ordinal));

        Assert.Empty(unknown);
    }

    [Theory]
    [MemberData(nameof(Containers))]
    public void A_container_has_the_time_to_drain_before_it_is_killed(string name) =>
        Assert.True(Container(name).GraceSeconds >= LongestDrain.TotalSeconds + 10, $"{name} gets {Container(name).GraceSeconds} s; a drain takes up to {LongestDrain.TotalSeconds} s, and the process a little more.");

    [Fact]
    public void All_processes_of_a_file_are_of_one_cluster_on_one_Redis()
    {
        foreach (var file in LoireContainer.All.GroupBy(container => Path.GetDirectoryName(container.File)))
        {
            Assert.Single(file.Select(container => (Of(container, "--redis"), Of(container, "--cluster"))).Distinct());
        }
    }

    [Fact]
    public void A_probe_of_Kubernetes_asks_a_port_that_the_command_opens()
    {
        foreach (var (file, container) in KubernetesContainers())
        {
            var ports = container.At("ports").Items().ToDictionary(port => port.At("name").Text()!, port => port.At("containerPort").Text()!);
            var arguments = container.At("args").Items().Select(word => word.Text()!).ToArray();

            Assert.All(ports, port => Assert.Contains(arguments, argument => argument.EndsWith("port=" + port.Value, StringComparison.Ordinal)));
            foreach (var probe in new[] { "readinessProbe", "livenessProbe" })
            {
                Assert.True(ports.ContainsKey(container.At(probe, "httpGet", "port").Text() ?? ""), $"{file}: {probe} asks a port that is not named.");
                Assert.StartsWith("/health/", container.At(probe, "httpGet", "path").Text(), StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void A_health_check_of_compose_asks_a_port_that_the_command_opens()
    {
        foreach (var (name, service) in Yaml.Documents("docker-compose.yml").Single().At("services").Members().Where(service => service.Value.At("image").Text() == "loire"))
        {
            var container = LoireContainer.All.Single(container => container.File == "docker-compose.yml" && container.Name == name);
            var check = service.At("healthcheck", "test").Items().Select(word => word.Text());

            Assert.Equal($"CMD healthy {Of(container, container.Arguments[0] == "silo" ? "--ops-port" : "--port")} /health/ready", string.Join(' ', check));
        }
    }

    [Fact]
    public void What_Prometheus_asks_is_what_compose_starts()
    {
        var targets = Yaml.Documents("ops/observability/prometheus.yml").Single().At("scrape_configs").Items()
            .SelectMany(job => job.At("static_configs").Items()).SelectMany(group => group.At("targets").Items()).Select(target => target.Text()!);
        var started = LoireContainer.All.Where(container => container.File == "docker-compose.yml")
            .Select(container => $"{container.Name}:{Of(container, container.Arguments[0] == "silo" ? "--ops-port" : "--port")}");

        Assert.Equal(started.Order(StringComparer.Ordinal), targets.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_file_that_compose_mounts_or_builds_from_is_there()
    {
        var services = Yaml.Documents("docker-compose.yml").Single().At("services").Members().Values.ToArray();
        var mounted = services.SelectMany(service => service.At("volumes").Items()).Select(volume => volume.Text()!.Split(':')[0]).Where(path => path.StartsWith("./", StringComparison.Ordinal));
        var files = mounted.Select(path => path[2..]).Append("ops/docker/Dockerfile").ToArray();

        Assert.True(files.Length >= 5);
        Assert.All(files, file => Assert.True(RepositoryFiles.Exists(file), $"docker-compose.yml names {file}, which is not there."));
    }

    [Fact]
    public void Every_resource_of_the_kustomization_is_there_and_no_manifest_is_forgotten()
    {
        var listed = Yaml.Documents("ops/kubernetes/kustomization.yaml").Single().At("resources").Items().Select(resource => resource.Text()!).ToArray();
        var there = RepositoryFiles.All.Where(file => file.StartsWith("ops/kubernetes/", StringComparison.Ordinal) && file.EndsWith(".yaml", StringComparison.Ordinal)).Select(file => Path.GetFileName(file)!);

        Assert.Equal(["kustomization.yaml", "monitoring.yaml", "secret.template.yaml"], there.Except(listed).Order(StringComparer.Ordinal)); // those apply by themselves
        Assert.Empty(listed.Except(there));
    }

    /// <summary>The image is built from what .dockerignore lets through, and the build needs no more.</summary>
    [Fact]
    public void The_image_is_built_from_files_that_are_there()
    {
        var allowed = RepositoryFiles.Read(".dockerignore").Split('\n').Where(line => line.StartsWith('!')).Select(line => line[1..]).ToArray();

        Assert.All(allowed, path => Assert.True(RepositoryFiles.Exists(path), $".dockerignore lets {path} through, which is not there."));
        Assert.All(
            Copied().Matches(RepositoryFiles.Read("ops/docker/Dockerfile")).Select(match => match.Groups["path"].Value).Where(path => path != "."),
            path => Assert.Contains(path, allowed));
    }

    [Fact]
    public void Redis_keeps_what_it_is_given_in_every_file()
    {
        var compose = string.Join(' ', Yaml.Documents("docker-compose.yml").Single().At("services", "redis", "command").Items().Select(word => word.Text()));
        var kubernetes = Yaml.Documents("ops/kubernetes/redis.yaml").Select(document => document.At("data", "redis.conf").Text()).First(text => text is not null)!;

        foreach (var settings in new[] { compose.Replace("--", "", StringComparison.Ordinal), kubernetes })
        {
            Assert.Contains("appendonly yes", settings, StringComparison.Ordinal);
            Assert.Contains("maxmemory-policy noeviction", settings, StringComparison.Ordinal);
        }
    }

    private static LoireContainer Container(string name) => LoireContainer.All.Single(container => container.ToString() == name);

    private static string? Of(LoireContainer container, string option) =>
        container.Arguments.SkipWhile(word => word != option).Skip(1).FirstOrDefault();

    private static IEnumerable<(string File, YamlNode Container)> KubernetesContainers() =>
        from file in new[] { "ops/kubernetes/silo.yaml", "ops/kubernetes/gateway.yaml" }
        from document in Yaml.Documents(file)
        from container in document.At("spec", "template", "spec", "containers").Items()
        select (file, container);

    private static bool IsRead(string variable) =>
        RepositoryFiles.All.Any(file => file.StartsWith("ops/cli/", StringComparison.Ordinal) && file.EndsWith(".cs", StringComparison.Ordinal)
            && RepositoryFiles.Read(file).Contains($"\"{variable}\"", StringComparison.Ordinal));

    [GeneratedRegex("^COPY (?!--from)(?<path>\\S+) ", RegexOptions.Multiline)]
    private static partial Regex Copied();
}
