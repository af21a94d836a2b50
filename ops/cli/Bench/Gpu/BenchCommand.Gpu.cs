using System.CommandLine;
using System.Text;
using Loire.Cli.Terminal;
using Loire.Engine.Models;
using Loire.Kernels;

namespace Loire.Cli.Bench;

/// <summary><c>loire bench gpu</c>: decode and prefill of a model on a GPU.</summary>
internal static partial class BenchCommand
{
    private static Command Gpu()
    {
        var model = CommonOptions.Model();
        var weights = new Option<string?>("--weights") { Description = "synthetic, or synthetic:SEED: random weights of the config's shapes. Default: those of the model folder.", HelpName = "synthetic" };
        var device = DeviceChoice.Option("cuda");
        var experts = DeviceChoice.ExpertTypeOption();
        var batches = new Option<string>("--batch") { Description = "Sequences that decode together.", HelpName = "1,64,256", DefaultValueFactory = _ => "1,64,256" };
        var context = CommonOptions.Count("--context", "Tokens of each sequence before it decodes.", 4096);
        var steps = CommonOptions.Count("--steps", "Decode steps that are timed.", 64);
        var prompts = new Option<string>("--prefill") { Description = "Lengths of prompts, or none.", HelpName = "8192,32768", DefaultValueFactory = _ => "8192,32768" };
        var rows = CommonOptions.Count("--rows", "Most tokens of a step.", 8192);
        var checkpoints = new Option<int>("--checkpoint-every") { Description = "Tokens between two checkpoints of a sequence, in one more measurement; 0: none.", HelpName = "N", DefaultValueFactory = _ => 256 };
        var loop = new Option<string>("--loop") { Description = "Sequences that are measured through the step loop too, greedy and sampled; or none.", HelpName = "1,256", DefaultValueFactory = _ => "none" };
        var waited = new Option<bool>("--step-by-step") { Description = "Each step is waited for before the next is enqueued: for comparison." };
        var bandwidth = new Option<double>("--bandwidth") { Description = "Of the GPU's memory, in GB/s, as the kernels' benchmarks have measured it.", HelpName = "GB/s", DefaultValueFactory = _ => 4300 };
        var products = new Option<double>("--products") { Description = "Of bf16 matrix products, in TFLOP/s, as measured.", HelpName = "TFLOP/s", DefaultValueFactory = _ => 780 };
        var results = new Option<string?>("--results") { Description = "Folder for a page of results.", HelpName = "DIR" };
        var command = new Command("gpu", "Measures decode and prefill on a GPU, against the limits of its memory and its matrix products.")
        {
            model, weights, device, experts, batches, context, steps, prompts, rows, checkpoints, loop, waited, bandwidth, products, results,
        };
        command.SetAction((arguments, cancellationToken) =>
        {
            var cuda = arguments.GetValue(device).Demand(ElementType.BFloat16, DeviceChoice.ExpertTypeOf(arguments.GetValue(experts)!)) ?? throw new CommandFailedException("--device is cpu; loire bench cpu measures that.", exitCode: 2);
            var folder = CommonOptions.ModelFolderOf(arguments.GetValue(model));
            var seed = SeedOf(arguments.GetValue(weights));
            var plan = new GpuBenchPlan
            {
                Batches = Numbers("--batch", arguments.GetValue(batches)!),
                Context = arguments.GetValue(context),
                Steps = arguments.GetValue(steps),
                Prompts = Numbers("--prefill", arguments.GetValue(prompts)!),
                MostRows = arguments.GetValue(rows),
                CheckpointEvery = arguments.GetValue(checkpoints),
                LoopBatches = Numbers("--loop", arguments.GetValue(loop)!),
                BytesPerSecond = arguments.GetValue(bandwidth) * 1e9,
                OperationsPerSecond = arguments.GetValue(products) * 1e12,
            };
            var opened = seed is { } made ? ModelFolder.OpenSynthetic(folder, made) : ModelFolder.Open(folder);
            var measured = new GpuBench(opened, cuda with { SyntheticSeed = seed, OverlapSteps = !arguments.GetValue(waited) }, plan, cancellationToken).Run(Console.Out);
            if (arguments.GetValue(results) is { } target)
            {
                WritePage(target, opened, plan, measured);
            }

            return Task.FromResult(0);
        });
        return command;
    }

    private static ulong? SeedOf(string? weights)
    {
        if (weights is null)
        {
            return null;
        }

        var parts = weights.Split(':');
        var seed = 1UL;
        return parts[0] == "synthetic" && parts.Length <= 2 && (parts.Length == 1 || ulong.TryParse(parts[1], out seed))
            ? seed
            : throw new CommandFailedException($"--weights is '{weights}'; synthetic or synthetic:SEED is expected.", exitCode: 2);
    }

    private static int[] Numbers(string option, string list)
    {
        if (list == "none")
        {
            return [];
        }

        try
        {
            return [.. list.Split(',').Select(number => int.Parse(number) is var value and > 0 ? value : throw new FormatException())];
        }
        catch (FormatException)
        {
            throw new CommandFailedException($"{option} is '{list}'; numbers above 0 with commas between them are expected.", exitCode: 2);
        }
    }

    private static void WritePage(string folder, ModelFolder model, GpuBenchPlan plan, IReadOnlyList<GpuBenchRow> rows)
    {
        Directory.CreateDirectory(folder);
        var page = new StringBuilder()
            .AppendLine($"# {model.Name} on a GPU")
            .AppendLine()
            .AppendLine($"`loire bench gpu --model {model.Name}`; limits by counted bytes at {plan.BytesPerSecond / 1e9:0} GB/s and counted operations at {plan.OperationsPerSecond / 1e12:0} TFLOP/s.")
            .AppendLine()
            .AppendLine("| measurement | per second (slow to fast) | share of the limit |")
            .AppendLine("|---|---|---|");
        foreach (var row in rows)
        {
            page.AppendLine(row.AsMarkdown());
        }

        File.WriteAllText(Path.Combine(folder, $"{model.Name}.md"), page.ToString());
    }
}
