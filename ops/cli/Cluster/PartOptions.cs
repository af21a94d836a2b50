using System.CommandLine;
using Loire.Cli.Terminal;
using Loire.Engine.Replica;
using Loire.Kernels;
using Loire.Silo;

namespace Loire.Cli.Cluster;

/// <summary>The options of <c>loire silo</c> that say where the parts of its replica are.</summary>
internal sealed class PartOptions
{
    private readonly Option<int> _stages = CommonOptions.Stages();
    private readonly Option<int> _shards = CommonOptions.Shards();
    private readonly Option<string?> _stageSilos = new("--stage-silos") { Description = "Silos of the layer stages, in order, this one first: silo-1,silo-2.", HelpName = "NAMES" };
    private readonly Option<string?> _shardSilos = new("--shard-silos") { Description = "Silos of the expert shards, in order: silo-1,silo-2,silo-3.", HelpName = "NAMES" };
    private readonly Option<DeviceChoice> _device = DeviceChoice.Option("auto");
    private readonly Option<string> _experts = DeviceChoice.ExpertTypeOption();
    private readonly Option<bool> _noReplica = new("--no-replica") { Description = "Run no replica here, only lend parts to those of other silos." };
    private readonly Option<int> _linkPort = new("--link-port") { Description = "Port for tensors from other silos; 0 takes a free one.", HelpName = "PORT" };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _stages, _shards, _stageSilos, _shardSilos, _device, _experts, _noReplica, _linkPort })
        {
            command.Add(option);
        }
    }

    public SiloOptions Read(ParseResult arguments, SiloOptions options) => options with
    {
        Stages = arguments.GetValue(_stages),
        ExpertShards = arguments.GetValue(_shards),
        StageSilos = Names(arguments.GetValue(_stageSilos)),
        ShardSilos = Names(arguments.GetValue(_shardSilos)),
        LendsOnly = arguments.GetValue(_noReplica),
        LinkPort = arguments.GetValue(_linkPort),
        Cuda = CudaOf(arguments),
    };

    /// <summary>A replica that is cut into parts runs on the CPU, unless GPUs are asked for.</summary>
    private CudaOptions? CudaOf(ParseResult arguments)
    {
        var device = arguments.GetValue(_device);
        var isCut = arguments.GetValue(_stages) > 1 || arguments.GetValue(_shards) > 1 || arguments.GetValue(_stageSilos) is not null || arguments.GetValue(_shardSilos) is not null;
        return device.IsDemanded || !(isCut || arguments.GetValue(_noReplica)) ? device.Resolve(ElementType.BFloat16, Console.Error.WriteLine, DeviceChoice.ExpertTypeOf(arguments.GetValue(_experts)!)) : null;
    }

    private static string[] Names(string? list) => list is null ? [] : list.Split(',', StringSplitOptions.TrimEntries);
}
