using System.CommandLine;
using Loire.Cli.Terminal;
using Loire.Cuda;
using Loire.Engine.Replica;
using Loire.Kernels;

namespace Loire.Operations.Tests;

/// <summary>What <c>--device</c> takes.</summary>
public sealed class DeviceChoiceTests
{
    [Theory]
    [InlineData("cpu", false, null, false)]
    [InlineData("cuda", true, null, true)]
    [InlineData("auto", true, null, false)]
    [InlineData("cuda:3", true, "3", true)]
    [InlineData("cuda:0+1", true, "0+1", true)]
    [InlineData("cuda:0,1", true, "0,1", true)]
    [InlineData("cuda:0+1,2+3", true, "0+1,2+3", true)]
    public void A_device_is_named(string text, bool isCuda, string? groups, bool isDemanded)
    {
        var choice = Parse(text);

        Assert.Equal((isCuda, groups, isDemanded), (choice.IsCuda, choice.Groups?.ToString(), choice.IsDemanded));
        Assert.Equal(text, choice.ToString());
    }

    [Theory]
    [InlineData("", "cpu, cuda, cuda:0, cuda:0+1, cuda:0,1 or auto is expected")]
    [InlineData("gpu", "--device is 'gpu'")]
    [InlineData("cuda:", "nothing where the number")]
    [InlineData("cuda:-1", "has '-1'")]
    [InlineData("cuda:x", "has 'x'")]
    [InlineData("cuda:0+0", "GPU 0 is named twice")]
    [InlineData("cuda:0,,1", "nothing where the number")]
    public void Anything_else_is_refused_by_what_was_found(string text, string expected)
    {
        Assert.False(DeviceChoice.TryParse(text, out _, out var error));

        Assert.Contains(expected, error);
    }

    [Theory]
    [InlineData("auto")]
    [InlineData("cpu")]
    public void The_option_has_its_default_and_passes_what_is_wrong_on(string @default)
    {
        var option = DeviceChoice.Option(@default);
        var command = new RootCommand { option };

        Assert.Equal(Parse(@default), command.Parse([]).GetValue(option));
        Assert.Equal(Parse("cuda:0+1"), command.Parse(["--device", "cuda:0+1"]).GetValue(option));
        Assert.Contains("named twice", Assert.Single(command.Parse(["--device", "cuda:1+1"]).Errors).Message);
    }

    [Fact]
    public void GPUs_that_are_there_are_taken_and_unnamed_ones_are_left_to_the_plan()
    {
        var none = new List<string>();

        Assert.Equal("1,0", Parse("cuda:1,0").Resolve(ElementType.Float32, Probe(2), none.Add)!.Groups!.ToString());
        Assert.Null(Parse("cuda").Resolve(ElementType.BFloat16, Probe(2), none.Add)!.Groups);
        Assert.Null(Parse("auto").Resolve(ElementType.BFloat16, Probe(2), none.Add)!.Groups);
        Assert.Null(Parse("cpu").Resolve(ElementType.BFloat16, Probe(2), none.Add));
        Assert.Empty(none);
    }

    [Fact]
    public void GPUs_that_are_not_there_are_named()
    {
        var refused = Assert.Throws<CommandFailedException>(() => Parse("cuda:0+2,5").Resolve(ElementType.BFloat16, Probe(2), Assert.Empty));

        Assert.StartsWith("--device is cuda:0+2,5, and there is no GPU 2 and no GPU 5. This process sees 2", refused.Message);
        Assert.Equal(2, refused.ExitCode);
    }

    [Fact]
    public void Experts_in_fp8_need_a_GPU_that_knows_them_and_bf16_beside_them()
    {
        var old = Probe(2) with { Gpus = [new GpuDescription(0, "H", 1, new Version(9, 0)), new GpuDescription(1, "A", 1, new Version(8, 0))] };
        CudaOptions? Resolve(string device, ElementType type, CudaProbe probe) => Parse(device).Resolve(type, probe, Assert.Empty, WeightType.Float8);
        string Refusal(string device, ElementType type, CudaProbe probe) => Assert.Throws<CommandFailedException>(() => Resolve(device, type, probe)).Message;

        Assert.Equal(WeightType.Float8, Resolve("cuda:0", ElementType.BFloat16, old)!.ExpertType);
        Assert.Equal("--expert-type fp8 needs compute capability 8.9, and GPU 1 (A) has 8.0. Leave it out, or name other GPUs by --device.", Refusal("cuda:0+1", ElementType.BFloat16, old));
        Assert.Contains("GPU 1 (A) has 8.0", Refusal("auto", ElementType.BFloat16, old));
        Assert.Contains("leave --dtype f32 out", Refusal("cuda:0", ElementType.Float32, Probe(1)));
        Assert.Contains("--device is cpu", Refusal("cpu", ElementType.BFloat16, Probe(1)));
    }

    [Fact]
    public void Without_a_driver_only_who_asked_is_told()
    {
        var said = new List<string>();

        Assert.Null(Parse("auto").Resolve(ElementType.BFloat16, Probe(0), said.Add));
        Assert.Empty(said);
        Assert.Null(Parse("cuda").Resolve(ElementType.BFloat16, Probe(0), said.Add));
        Assert.Equal("No GPU can be used, so the CPU computes. libcuda is missing.", Assert.Single(said));
    }

    private static DeviceChoice Parse(string text) => DeviceChoice.TryParse(text, out var choice, out var error) ? choice : throw new ArgumentException(error, nameof(text));

    private static CudaProbe Probe(int gpus) => new()
    {
        Gpus = [.. Enumerable.Range(0, gpus).Select(i => new GpuDescription(i, "H", 80L << 30, new Version(9, 0)))],
        DriverVersion = gpus == 0 ? null : "13.0",
        Libraries = [],
        Missing = gpus == 0 ? ["libcuda is missing."] : [],
    };
}
