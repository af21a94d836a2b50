using System.CommandLine;
using Loire.Engine.Models;

namespace Loire.Cli.Terminal;

/// <summary>Options that several commands have, so that they look and behave the same.</summary>
internal static class CommonOptions
{
    public static Option<string?> Model() => new("--model")
    {
        Description = "Model folder: config.json, safetensors, tokenizer.json. Default: the demo model.",
        HelpName = "DIR",
    };

    public static Option<int> Stages() => Count("--stages", "Layer stages that the layers are cut into, on the CPU. On GPUs: --device cuda:0,1.");

    public static Option<int> Shards() => Count("--shards", "Expert shards that the experts are spread over, on the CPU. On GPUs: --device cuda:0+1.");

    public static Option<string?> Json() => new("--json")
    {
        Description = "Also write the result to this file.",
        HelpName = "FILE",
    };

    /// <summary>What a running server may ask for.</summary>
    public static Option<string?> ApiKey() => new("--api-key")
    {
        Description = "Key of the running server. Default: LOIRE_API_KEY.",
        HelpName = "KEY",
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable("LOIRE_API_KEY"),
    };

    /// <summary>The address of a server; null when it is not given and has no default.</summary>
    public static Option<Uri?> Url(string description, string? @default = null) => new("--url")
    {
        Description = description,
        HelpName = "URL",
        DefaultValueFactory = _ => @default is null ? null : new Uri(@default),
        CustomParser = result =>
        {
            if (Uri.TryCreate(result.Tokens[^1].Value, UriKind.Absolute, out var address) && address.Scheme is "http" or "https")
            {
                return address;
            }

            result.AddError($"--url is '{result.Tokens[^1].Value}'; an address such as http://localhost:8080 is expected.");
            return null;
        },
    };

    public static Option<int> Count(string name, string description, int @default = 1)
    {
        var option = new Option<int>(name) { Description = description, HelpName = "N", DefaultValueFactory = _ => @default };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && int.TryParse(result.Tokens[0].Value, out var count) && count < 1)
            {
                result.AddError($"{name} is {count}; it must be at least 1.");
            }
        });
        return option;
    }

    /// <summary>The folder that was named, or the demo model's.</summary>
    public static string ModelFolderOf(string? named)
    {
        if (named is null)
        {
            return Places.DemoModel ?? throw new CommandFailedException("No --model is given, and the demo model is not beside this program.", exitCode: 2);
        }

        return Directory.Exists(named)
            ? Path.GetFullPath(named)
            : throw CommandFailedException.Missing("The model folder", named, "Name a folder with config.json and safetensors files by --model.");
    }

    public static ModelFolder OpenModel(string? named) => ModelFolder.Open(ModelFolderOf(named));
}
