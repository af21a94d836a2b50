namespace Loire.Text;

/// <summary>Reads the <c>pre_tokenizer</c> member.</summary>
internal static class PreTokenizerReader
{
    private const int MaxSteps = 32;
    private const string Supported = "Sequence, Split, ByteLevel, Digits";

    // What ByteLevel cuts by when its use_regex is on.
    private const string ByteLevelPattern = @"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    public static (PreTokenizer Steps, bool IsByteLevel) Read(FileNode node)
    {
        var steps = new List<PreTokenizerStep>();
        var isByteLevel = false;
        if (!node.IsNull)
        {
            Add(node, steps, ref isByteLevel);
        }

        return (new PreTokenizer(steps), isByteLevel);
    }

    private static void Add(FileNode node, List<PreTokenizerStep> steps, ref bool isByteLevel)
    {
        var type = node["type"];
        if (isByteLevel)
        {
            throw type.Wrong("a step after ByteLevel", "ByteLevel as the last step");
        }

        if (steps.Count >= MaxSteps)
        {
            throw type.Wrong($"more than {MaxSteps} steps", $"at most {MaxSteps}");
        }

        switch (type.Text())
        {
            case "Sequence":
                foreach (var step in node["pretokenizers"].Items())
                {
                    Add(step, steps, ref isByteLevel);
                }

                break;
            case "Split":
                steps.Add(new SplitStep(ReadPattern(node["pattern"]), ReadBehavior(node["behavior"]), node["invert"].Flag(absent: false)));
                break;
            case "Digits":
                var each = node["individual_digits"].Flag(absent: false);
                steps.Add(new SplitStep(new WordPattern(@"\p{N}"), each ? SplitBehavior.Isolated : SplitBehavior.Contiguous, invert: false));
                break;
            case "ByteLevel":
                isByteLevel = true;
                if (node["add_prefix_space"].Flag(absent: true))
                {
                    steps.Add(new PrefixSpaceStep());
                }

                if (node["use_regex"].Flag(absent: true))
                {
                    steps.Add(new SplitStep(new WordPattern(ByteLevelPattern), SplitBehavior.Isolated, invert: false));
                }

                break;
            default:
                throw type.Unsupported(Supported);
        }
    }

    private static WordPattern ReadPattern(FileNode node)
    {
        var regex = node["Regex"];
        try
        {
            return new WordPattern(regex.IsString
                ? PatternTranslator.Translate(regex.Text())
                : System.Text.RegularExpressions.Regex.Escape(node["String"].Text()), (node.File, regex.Path));
        }
        catch (Exception error) when (error is FormatException or ArgumentException)
        {
            throw regex.Wrong(error.Message, "the syntax of published tokenizers", error);
        }
    }

    private static SplitBehavior ReadBehavior(FileNode node) => node.Text() switch
    {
        "Isolated" => SplitBehavior.Isolated,
        "Removed" => SplitBehavior.Removed,
        "MergedWithPrevious" => SplitBehavior.MergedWithPrevious,
        "MergedWithNext" => SplitBehavior.MergedWithNext,
        "Contiguous" => SplitBehavior.Contiguous,
        _ => throw node.Unsupported("Isolated, Removed, MergedWithPrevious, MergedWithNext, Contiguous"),
    };
}
