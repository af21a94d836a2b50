using System.CommandLine;
using Loire.Cli.Terminal;
using Loire.Cli.Verify;
using Loire.Engine.Models;
using Loire.Engine.Replica;

namespace Loire.Cli.Logits;

/// <summary><c>loire logits</c>: every position's logits for given token ids, for comparison with another implementation.</summary>
internal static class LogitsCommand
{
    public static Command Create()
    {
        var model = CommonOptions.Model();
        var stages = CommonOptions.Stages();
        var shards = CommonOptions.Shards();
        var ids = new Option<string>("--ids") { Description = "Token ids, with commas between them; @FILE reads arguments from a file.", HelpName = "1,2,3", Required = true };
        var pieces = new Option<string?>("--pieces") { Description = "Feed the ids in pieces of these lengths; what is left is the last piece.", HelpName = "64,1,7" };
        var destination = new Option<string>("--out") { Description = "Safetensors file to write: logits [tokens, vocabulary] in fp32.", HelpName = "FILE", Required = true };
        var command = new Command("logits", "Writes the logits of every position of a prompt.") { model, ids, pieces, destination, stages, shards };
        command.SetAction((arguments, _) =>
        {
            var folder = CommonOptions.OpenModel(arguments.GetValue(model));
            var prompt = TokenList.Parse("--ids", arguments.GetValue(ids)!, 0, folder.Graph.VocabularySize - 1);
            var lengths = arguments.GetValue(pieces) is { } text ? Pieces.Cut(prompt.Length, TokenList.Parse("--pieces", text, 1, int.MaxValue)) : [];
            Run(folder, prompt, lengths, arguments.GetValue(destination)!, arguments.GetValue(stages), arguments.GetValue(shards));
            return Task.FromResult(0);
        });
        return command;
    }

    private static void Run(ModelFolder model, int[] ids, int[] pieces, string destination, int stages, int shards)
    {
        using var writer = new LogitsWriter(destination, ids.Length, model.Graph.VocabularySize);
        using var progress = new ProgressBar("computing");
        using var runner = OfflineRunner.Load(model, stages, shards);
        runner.Run(ids, pieces, (position, logits) =>
        {
            writer.Add(logits);
            progress.Report((position + 1.0) / ids.Length);
        });
        writer.Complete();
        Console.WriteLine($"{destination}: logits [{ids.Length}, {model.Graph.VocabularySize}]");
    }
}
