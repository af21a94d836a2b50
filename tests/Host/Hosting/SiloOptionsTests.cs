using System.ComponentModel.DataAnnotations;
using Loire.Engine.Replica;
using Loire.Silo;

namespace Loire.Host.Tests;

public sealed class SiloOptionsTests
{
    [Fact]
    public void Good_settings_pass() => Assert.NotNull(Good().Validated());

    [Fact]
    public void A_wrong_setting_is_named()
    {
        AssertNamed("ModelFolders", Good() with { ModelFolders = [] });
        AssertNamed("ModelFolders", Good() with { ModelFolders = ["/no/such/folder"] });
        AssertNamed("Stages", Good() with { Stages = 0 });
        AssertNamed("ExpertShards", Good() with { ExpertShards = -1 });
        AssertNamed("CheckpointEveryTokens", Good() with { CheckpointEveryTokens = 0 });
        AssertNamed("MaxStoreBytes", Good() with { MaxStoreBytes = 5 });
        AssertNamed("DrainTimeout", Good() with { DrainTimeout = TimeSpan.Zero });
        AssertNamed("MaxTokensPerStep", Good() with { Engine = new EngineOptions { Slots = 64, MaxTokensPerStep = 63 } });
        AssertNamed("Slots", Good() with { Engine = new EngineOptions { Slots = 0 } });
    }

    [Fact]
    public void GPUs_are_cut_by_their_names()
    {
        Assert.NotNull((Good() with { Cuda = new CudaOptions() }).Validated());
        AssertNamed("into 2 x 1 parts", Good() with { Cuda = new CudaOptions(), Stages = 2 });
        AssertNamed("--device cuda:0,1 for stages", Good() with { Cuda = new CudaOptions(), Stages = 2 });
        AssertNamed("--device cuda:0+1 for GPUs that share", Good() with { Cuda = new CudaOptions(), ExpertShards = 2 });
    }

    private static void AssertNamed(string setting, SiloOptions options) =>
        Assert.Contains(setting, Assert.Throws<ValidationException>(options.Validated).Message);

    private static SiloOptions Good() => new() { ModelFolders = [Path.GetTempPath()], DataDirectory = "data" };
}
