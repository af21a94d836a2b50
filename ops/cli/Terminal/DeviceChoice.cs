using System.CommandLine;
using Loire.Cuda;
using Loire.Engine.Placement;
using Loire.Engine.Replica;
using Loire.Kernels;

namespace Loire.Cli.Terminal;

/// <summary>What a person asked for to compute on: <c>cpu</c>, <c>cuda</c>, <c>cuda:0+1,2+3</c> or <c>auto</c>.</summary>
/// <param name="IsCuda">Whether GPUs, where there are any.</param>
/// <param name="Groups">Those that are named; null: as few as the model fits on.</param>
/// <param name="IsDemanded">Whether a person has asked for GPUs: then their absence is worth a word.</param>
internal readonly record struct DeviceChoice(bool IsCuda, GpuGroups? Groups, bool IsDemanded)
{
    private const string Prefix = "cuda:";

    public static Option<DeviceChoice> Option(string @default) => new("--device")
    {
        Description = "What computes: cpu; cuda, as many GPUs as the model needs; cuda:0 for that GPU, cuda:0+1 for two that share the layers, cuda:0,1 for two stages; or auto, which takes GPUs where there are any.",
        HelpName = "DEVICE",
        DefaultValueFactory = _ => TryParse(@default, out var choice, out var error) ? choice : throw new ArgumentException(error, nameof(@default)),
        CustomParser = result =>
        {
            if (!TryParse(result.Tokens[^1].Value, out var choice, out var error))
            {
                result.AddError(error);
            }

            return choice;
        },
    };

    /// <summary>Of weights and 16-bit activations on a GPU.</summary>
    public static Option<string> ElementTypeOption()
    {
        var option = new Option<string>("--dtype") { Description = "Type of weights and activations on a GPU.", HelpName = "bf16|f32", DefaultValueFactory = _ => "bf16" };
        option.AcceptOnlyFromAmong("bf16", "f32");
        return option;
    }

    /// <summary>Of the weights of feed-forwards on a GPU.</summary>
    public static Option<string> ExpertTypeOption()
    {
        var option = new Option<string>("--expert-type")
        {
            Description = "Type of the experts' weights on a GPU: that of the others, or fp8, which takes half the memory and half the time to read, and is off by up to 1/16 in each weight.",
            HelpName = "dtype|fp8",
            DefaultValueFactory = _ => "dtype",
        };
        option.AcceptOnlyFromAmong("dtype", "fp8");
        return option;
    }

    public static WeightType ExpertTypeOf(string name) => name == "fp8" ? WeightType.Float8 : WeightType.Element;

    public static ElementType TypeOf(string name) => name == "f32" ? ElementType.Float32 : ElementType.BFloat16;

    /// <summary>The GPUs, or null for the CPU; where GPUs were asked for and are not there, says so.</summary>
    /// <param name="type">Of weights and 16-bit activations.</param>
    /// <param name="say">Takes a line.</param>
    /// <param name="experts">Of the weights of feed-forwards.</param>
    /// <exception cref="CommandFailedException">A GPU that is named is not there, and others are; or experts cannot have that type.</exception>
    public CudaOptions? Resolve(ElementType type, Action<string> say, WeightType experts = WeightType.Element) => Resolve(type, CudaDriver.Probe(), say, experts);

    internal CudaOptions? Resolve(ElementType type, CudaProbe probe, Action<string> say, WeightType experts = WeightType.Element)
    {
        if (experts is WeightType.Float8 && (!IsCuda || type is not ElementType.BFloat16))
        {
            throw new CommandFailedException($"--expert-type fp8 is for GPUs and beside bf16: {(IsCuda ? "leave --dtype f32 out" : $"--device is {this}; name GPUs, or leave it out")}.", exitCode: 2);
        }

        if (!IsCuda)
        {
            return null;
        }

        if (probe.IsUsable)
        {
            CheckExperts(experts, probe);
            var missing = Groups?.Devices.Where(device => device >= probe.Gpus.Length).ToArray() ?? [];
            return missing.Length == 0
                ? new CudaOptions { Groups = Groups, Type = type, ExpertType = experts }
                : throw new CommandFailedException(
                    $"--device is {this}, and there is no GPU {string.Join(" and no GPU ", missing)}. This process sees {probe.Gpus.Length}, counted from 0: look at nvidia-smi and CUDA_VISIBLE_DEVICES.", exitCode: 2);
        }

        if (IsDemanded || probe.DriverVersion is not null)
        {
            say($"No GPU can be used, so the CPU computes. {probe.Reason}");
        }

        return null;
    }

    /// <summary>The GPUs, or null for the CPU.</summary>
    /// <exception cref="CommandFailedException">GPUs were asked for and cannot be used.</exception>
    public CudaOptions? Demand(ElementType type, WeightType experts = WeightType.Element) => IsDemanded && CudaDriver.Probe() is { IsUsable: false } probe
        ? throw new CommandFailedException($"--device is {this}, and no GPU can be used. {probe.Reason}", exitCode: 2)
        : Resolve(type, static _ => { }, experts);

    private void CheckExperts(WeightType experts, CudaProbe probe)
    {
        var named = Groups;
        var old = probe.Gpus.Where(gpu => gpu.Compute < Quantise.LeastCompute && (named is null || named.Devices.Contains(gpu.Ordinal))).ToArray();
        if (experts is WeightType.Float8 && old is [var gpu, ..])
        {
            throw new CommandFailedException(
                $"--expert-type fp8 needs compute capability {Quantise.LeastCompute}, and GPU {gpu.Ordinal} ({gpu.Name}) has {gpu.Compute}. Leave it out, or name other GPUs by --device.", exitCode: 2);
        }
    }

    public override string ToString() => IsCuda ? Groups is { } named ? $"{Prefix}{named}" : IsDemanded ? "cuda" : "auto" : "cpu";

    internal static bool TryParse(string text, out DeviceChoice choice, [System.Diagnostics.CodeAnalysis.NotNullWhen(false)] out string? error)
    {
        (choice, error) = (default, null);
        if (text is "cpu" or "cuda" or "auto")
        {
            choice = new DeviceChoice(text != "cpu", null, text == "cuda");
            return true;
        }

        if (!text.StartsWith(Prefix, StringComparison.Ordinal))
        {
            error = $"--device is '{text}'; cpu, cuda, cuda:0, cuda:0+1, cuda:0,1 or auto is expected.";
            return false;
        }

        if (!GpuGroups.TryParse(text[Prefix.Length..], out var groups, out var reason))
        {
            error = $"--device: {reason}";
            return false;
        }

        choice = new DeviceChoice(true, groups, true);
        return true;
    }
}
