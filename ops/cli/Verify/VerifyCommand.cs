using System.CommandLine;
using Loire.Cli.Terminal;
using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Engine.Weights;

namespace Loire.Cli.Verify;

/// <summary><c>loire verify</c>: does this program compute what the model folder's reference says?</summary>
internal static class VerifyCommand
{
    // Sums in fp32 over a few thousand terms differ in the last digits by their order: about 1e-6. This leaves room for deep models.
    private const double DefaultTolerance = 1e-4;

    public static Command Create()
    {
        var model = CommonOptions.Model();
        var stages = CommonOptions.Stages();
        var shards = CommonOptions.Shards();
        var tolerance = new Option<double>("--tolerance")
        {
            Description = "Largest relative error of the logits, in the Frobenius norm.",
            HelpName = "E",
            DefaultValueFactory = _ => DefaultTolerance,
        };
        var command = new Command("verify", "Runs the folder's reference.safetensors, and reference.json where it has conversations; exit code 1 when anything differs.")
        {
            model, tolerance, stages, shards,
        };
        command.SetAction((arguments, cancellationToken) => Task.FromResult(Run(
            CommonOptions.OpenModel(arguments.GetValue(model)),
            arguments.GetValue(tolerance),
            arguments.GetValue(stages),
            arguments.GetValue(shards),
            Console.Out,
            cancellationToken)));
        return command;
    }

    private static int Run(ModelFolder model, double tolerance, int stages, int shards, TextWriter output, CancellationToken cancellationToken)
    {
        var path = Path.Combine(model.Path, "reference.safetensors");
        if (!File.Exists(path))
        {
            throw CommandFailedException.Missing("The reference", path, "Verification needs what another implementation computed on this model.");
        }

        using var file = SafetensorsFile.Open(path);
        using var runner = LoadRunner(model, stages, shards);
        output.WriteLine($"{model.Name}   {model.Graph.ModelType}, {model.Graph.Layers.Length} layers, {stages} x {shards} (stages x shards)");

        var prompts = new PromptCheck(runner, tolerance, output);
        var good = prompts.Run(ReferencePrompt.Read(file, model.Graph.VocabularySize), cancellationToken);
        if (ConversationReference.Load(model.Path) is { } reference && (reference.Conversations.Count > 0 || reference.Tokenizations.Count > 0))
        {
            good &= new ConversationCheck(runner, model.Path, output).Run(reference, cancellationToken);
        }

        output.WriteLine($"{(good ? "verified" : "NOT verified")}: the worst relative error is {prompts.WorstError:0.0e+00}, {tolerance:0.0e+00} is allowed");
        return good ? 0 : 1;
    }

    private static OfflineRunner LoadRunner(ModelFolder model, int stages, int shards)
    {
        using var progress = new ProgressBar("loading");
        return OfflineRunner.Load(model, stages, shards, progress: progress);
    }
}
