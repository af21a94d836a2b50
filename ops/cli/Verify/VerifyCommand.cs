using System.CommandLine;
using Loire.Cli.Terminal;
using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Engine.Weights;
using Loire.Kernels;

namespace Loire.Cli.Verify;

/// <summary><c>loire verify</c>: does this program compute what the model folder's reference says?</summary>
internal static class VerifyCommand
{
    // Sums in fp32 over a few thousand terms differ in the last digits by their order: about 1e-6. This leaves room for deep models.
    private const double DefaultTolerance = 1e-4;

    // The same in the GPU's own functions; and bf16, which rounds at 2^-9, through the layers of a model.
    private const double CudaTolerance = 1e-3;
    private const double BFloat16Tolerance = 2e-2;

    // Weights of 8 bits are off by 2^-4 at most, by 1/40 in the mean; a feed-forward has three in a row, and a model many side by side.
    private const double Float8Tolerance = 1.5e-1;

    public static Command Create()
    {
        var model = CommonOptions.Model();
        var stages = CommonOptions.Stages();
        var shards = CommonOptions.Shards();
        var device = DeviceChoice.Option("cpu");
        var type = DeviceChoice.ElementTypeOption();
        var experts = DeviceChoice.ExpertTypeOption();
        var tolerance = new Option<double?>("--tolerance")
        {
            Description = $"Largest relative error of the logits, in the Frobenius norm. Default: {DefaultTolerance}; {CudaTolerance} on a GPU, {BFloat16Tolerance} there in bf16, {Float8Tolerance} with experts in fp8.",
            HelpName = "E",
        };
        var command = new Command("verify", "Runs the folder's reference.safetensors, and reference.json where it has conversations; exit code 1 when anything differs.")
        {
            model, tolerance, stages, shards, device, type, experts,
        };
        command.SetAction((arguments, cancellationToken) => Task.FromResult(Run(
            CommonOptions.OpenModel(arguments.GetValue(model)),
            new RunnerChoice(
                arguments.GetValue(stages),
                arguments.GetValue(shards),
                arguments.GetValue(device).Demand(DeviceChoice.TypeOf(arguments.GetValue(type)!), DeviceChoice.ExpertTypeOf(arguments.GetValue(experts)!))),
            arguments.GetValue(tolerance),
            Console.Out,
            cancellationToken)));
        return command;
    }

    private static double ToleranceOf(CudaOptions? cuda) => cuda switch
    {
        null => DefaultTolerance,
        { ExpertType: WeightType.Float8 } => Float8Tolerance,
        { Type: ElementType.BFloat16 } => BFloat16Tolerance,
        _ => CudaTolerance,
    };

    private static int Run(ModelFolder model, RunnerChoice choice, double? allowed, TextWriter output, CancellationToken cancellationToken)
    {
        var tolerance = allowed ?? (ToleranceOf(choice.Cuda));
        var path = Path.Combine(model.Path, "reference.safetensors");
        if (!File.Exists(path))
        {
            throw CommandFailedException.Missing("The reference", path, "Verification needs what another implementation computed on this model.");
        }

        using var file = SafetensorsFile.Open(path);
        using var runner = choice.Load(model, out var text);
        output.WriteLine($"{model.Name}   {model.Graph.ModelType}, {model.Graph.Layers.Length} layers, {text}");

        var isWordForWord = choice.Cuda?.ExpertType is not WeightType.Float8;
        var prompts = new PromptCheck(runner, tolerance, isWordForWord, output);
        var good = prompts.Run(ReferencePrompt.Read(file, model.Graph.VocabularySize), cancellationToken);
        if (ConversationReference.Load(model.Path) is { } reference && (reference.Conversations.Count > 0 || reference.Tokenizations.Count > 0))
        {
            good &= new ConversationCheck(runner, model.Path, isWordForWord, output).Run(reference, cancellationToken);
        }

        if (!isWordForWord)
        {
            output.WriteLine("Experts in fp8: other tokens than the reference's are counted, and are no fault.");
        }

        output.WriteLine($"{(good ? "verified" : "NOT verified")}: the worst relative error is {prompts.WorstError:0.0e+00}, {tolerance:0.0e+00} is allowed");
        return good ? 0 : 1;
    }
}

/// <summary>What runs the model.</summary>
/// <param name="Stages">On the CPU.</param>
/// <param name="Shards">On the CPU.</param>
/// <param name="Cuda">Null: the CPU.</param>
internal readonly record struct RunnerChoice(int Stages, int Shards, CudaOptions? Cuda)
{
    /// <param name="model">To run.</param>
    /// <param name="text">What runs it, in words.</param>
    /// <exception cref="CommandFailedException">The model cannot be cut so, or does not fit.</exception>
    public OfflineRunner Load(ModelFolder model, out string text)
    {
        using var progress = new ProgressBar("loading");
        if (Cuda is null)
        {
            text = $"{Stages} x {Shards} (stages x shards)";
            return OfflineRunner.Load(model, Stages, Shards, progress: progress);
        }

        if (Stages > 1 || Shards > 1)
        {
            throw new CommandFailedException(
                $"The model is to be cut into {Stages} x {Shards} parts: on GPUs it is cut by their names. Leave --stages and --shards out, or name the GPUs: --device cuda:0,1 for stages, --device cuda:0+1 for GPUs that share layers and experts.",
                exitCode: 2);
        }

        var (cuda, plan) = GpuPlacing.Of(model.Graph, OfflineRunner.GpuSizesOf(model.Graph, Cuda), Cuda);
        text = $"{(cuda.Type is ElementType.BFloat16 ? "bf16" : "f32")}{(cuda.ExpertType is WeightType.Float8 ? " with experts in fp8" : "")} on GPU {cuda.Groups}{Environment.NewLine}{plan}";
        return OfflineRunner.LoadCuda(model, cuda, progress: progress);
    }
}
