using System.CommandLine;
using Loire.Cuda;
using Loire.Engine.Placement;
using Loire.Engine.Replica;
using Loire.Kernels;

namespace Loire.Cli.Terminal;

/// <summary>What a person asked for to compute on: <c>cpu</c>, <c>cuda</c>, <c>cuda:N</c> or <c>auto</c>.</summary>
/// <param name="IsCuda">Whether a GPU, where there is one.</param>
/// <param name="Ordinal">Of the GPU, as the driver counts.</param>
/// <param name="IsDemanded">Whether a person has named the GPU: then its absence is worth a word.</param>
internal readonly record struct DeviceChoice(bool IsCuda, int Ordinal, bool IsDemanded)
{
    public static Option<DeviceChoice> Option(string @default) => new("--device")
    {
        Description = $"What computes: cpu, cuda, cuda:N for GPU N, or auto, which takes a GPU where there is one.",
        HelpName = "DEVICE",
        DefaultValueFactory = _ => Parse(@default)!.Value,
        CustomParser = result =>
        {
            if (Parse(result.Tokens[^1].Value) is { } choice)
            {
                return choice;
            }

            result.AddError($"--device is '{result.Tokens[^1].Value}'; cpu, cuda, cuda:N or auto is expected.");
            return default;
        },
    };

    /// <summary>Of weights and 16-bit activations on a GPU.</summary>
    public static Option<string> ElementTypeOption()
    {
        var option = new Option<string>("--dtype") { Description = "Type of weights and activations on a GPU.", HelpName = "bf16|f32", DefaultValueFactory = _ => "bf16" };
        option.AcceptOnlyFromAmong("bf16", "f32");
        return option;
    }

    public static ElementType TypeOf(string name) => name == "f32" ? ElementType.Float32 : ElementType.BFloat16;

    /// <summary>The GPU, or null for the CPU; where a GPU was asked for and there is none, says so.</summary>
    /// <param name="type">Of weights and 16-bit activations.</param>
    /// <param name="say">Takes a line.</param>
    public CudaOptions? Resolve(ElementType type, Action<string> say)
    {
        if (!IsCuda)
        {
            return null;
        }

        var probe = CudaDriver.Probe();
        if (probe.IsUsable && Ordinal < probe.Gpus.Length)
        {
            return new CudaOptions { Groups = GpuGroups.Of(Ordinal), Type = type };
        }

        if (IsDemanded || probe.DriverVersion is not null)
        {
            say($"No GPU {Ordinal} can be used, so the CPU computes. {(probe.IsUsable ? $"There are {probe.Gpus.Length}, counted from 0." : probe.Reason)}");
        }

        return null;
    }

    /// <summary>The GPU, or null for the CPU.</summary>
    /// <exception cref="CommandFailedException">A GPU was named and cannot be used.</exception>
    public CudaOptions? Demand(ElementType type)
    {
        string? missing = null;
        var cuda = Resolve(type, text => missing = text);
        return cuda is null && IsDemanded ? throw new CommandFailedException(missing!, exitCode: 2) : cuda; // it has been said why
    }

    public override string ToString() => IsCuda ? IsDemanded ? $"cuda:{Ordinal}" : "auto" : "cpu";

    internal static DeviceChoice? Parse(string text)
    {
        if (text is "cpu" or "cuda" or "auto")
        {
            return new DeviceChoice(text != "cpu", 0, text == "cuda");
        }

        return text.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(text.AsSpan(5), out var ordinal) && ordinal >= 0
            ? new DeviceChoice(true, ordinal, true)
            : null;
    }
}
