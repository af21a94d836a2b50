using System.Text.Json;

namespace Loire.Text;

/// <summary>Reads <c>tokenizer.json</c>, and trusts none of it: sizes, ids and names are checked before they are used.</summary>
internal sealed class TokenizerReader
{
    private const int MaxFileBytes = 256 << 20;
    private const int MaxDepth = 32;
    private const int MaxId = (1 << 22) - 1; // published vocabularies reach 2^18
    private const int MaxAddedTokens = 1 << 16;
    private const int MaxAddedLength = 1024;

    private readonly FileNode _root;
    private readonly Dictionary<string, int> _vocabulary = new(StringComparer.Ordinal);
    private readonly Dictionary<int, string> _tokensById = [];

    private TokenizerReader(FileNode root) => _root = root;

    public static Tokenizer Read(string path)
    {
        var length = new FileInfo(path).Length;
        return length <= MaxFileBytes
            ? Read(File.ReadAllBytes(path), Path.GetFileName(path))
            : throw new TokenizerFormatException(path, "the file", $"{length} bytes", $"at most {MaxFileBytes} bytes");
    }

    public static Tokenizer Read(ReadOnlyMemory<byte> utf8Json, string file)
    {
        try
        {
            using var document = JsonDocument.Parse(utf8Json, new JsonDocumentOptions { MaxDepth = MaxDepth });
            return new TokenizerReader(new FileNode(document.RootElement, file, "")).Read();
        }
        catch (JsonException error)
        {
            throw new TokenizerFormatException(file, "the file", $"invalid JSON ({error.Message})", $"JSON at most {MaxDepth} deep", error);
        }
        catch (InvalidOperationException error)
        {
            // A string that is no valid Unicode: JsonElement says so only when the string is read.
            throw new TokenizerFormatException(file, "a string", error.Message, "valid Unicode", error);
        }
    }

    private Tokenizer Read()
    {
        var model = _root["model"];
        var type = model["type"];
        if (!type.IsNull && type.Text() != "BPE")
        {
            throw type.Unsupported("BPE");
        }

        RefuseSet(model, "dropout", node => node.Element.ValueKind == JsonValueKind.Number && node.Element.TryGetDouble(out var rate) && rate == 0);
        RefuseSet(model, "continuing_subword_prefix", node => node.IsString && node.Text().Length == 0);
        RefuseSet(model, "end_of_word_suffix", node => node.IsString && node.Text().Length == 0);
        ReadVocabulary(model["vocab"]);
        var added = ReadAdded(_root["added_tokens"]);
        var merges = ReadMerges(model["merges"]);
        var words = PreTokenizerReader.Read(_root["pre_tokenizer"]);
        CheckPostProcessor(_root["post_processor"]);
        var options = new BpeOptions(
            words.IsByteLevel,
            model["byte_fallback"].Flag(absent: false),
            model["ignore_merges"].Flag(absent: false),
            model["fuse_unk"].Flag(absent: false),
            ReadUnknown(model["unk_token"], added));
        var decoder = TokenDecoder.Read(_root["decoder"]);
        return new Tokenizer(
            new Vocabulary(_vocabulary, added, decoder),
            new BpeModel(_vocabulary, merges, options),
            words.Steps,
            TextNormalizer.Read(_root["normalizer"]),
            added,
            (decoder.LeadingCharacter, decoder.LeadingCount));
    }

    private void ReadVocabulary(FileNode node)
    {
        foreach (var member in node.Members())
        {
            var entry = new FileNode(member.Value, node.File, $"{node.Path}['{Shown(member.Name)}']");
            var id = entry.Int(0, MaxId);
            if (!_vocabulary.TryAdd(member.Name, id))
            {
                throw entry.Wrong("the token twice", "each token once");
            }

            if (!_tokensById.TryAdd(id, member.Name))
            {
                throw entry.Wrong($"id {id}, which is also that of '{Shown(_tokensById[id])}'", "one token for each id");
            }
        }

        if (_vocabulary.Count == 0)
        {
            throw node.Wrong("no tokens", "at least one");
        }
    }

    private List<AddedToken> ReadAdded(FileNode list)
    {
        var added = new List<AddedToken>();
        var byContent = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var node in list.ItemsOrNone())
        {
            var token = ReadAddedToken(node);
            if (_vocabulary.TryGetValue(token.Content, out var known) || byContent.TryGetValue(token.Content, out known))
            {
                if (known != token.Id)
                {
                    throw node["id"].Wrong($"{token.Id} for '{Shown(token.Content)}', which has id {known}", "one id for each token");
                }
            }
            else if (!_tokensById.TryAdd(token.Id, token.Content))
            {
                throw node["id"].Wrong($"{token.Id}, which is also that of '{Shown(_tokensById[token.Id])}'", "one token for each id");
            }

            if (byContent.TryAdd(token.Content, token.Id))
            {
                added.Add(token);
            }

            if (added.Count > MaxAddedTokens)
            {
                throw list.Wrong($"more than {MaxAddedTokens} tokens", $"at most {MaxAddedTokens}");
            }
        }

        return added;
    }

    private static AddedToken ReadAddedToken(FileNode node)
    {
        var content = node["content"].Text();
        if (content.Length is 0 or > MaxAddedLength)
        {
            throw node["content"].Wrong($"{content.Length} characters", $"1 to {MaxAddedLength} characters");
        }

        var special = node["special"].Flag(absent: false);
        return new AddedToken(node["id"].Int(0, MaxId), content)
        {
            Special = special,
            SingleWord = node["single_word"].Flag(absent: false),
            StripLeft = node["lstrip"].Flag(absent: false),
            StripRight = node["rstrip"].Flag(absent: false),
            Normalized = node["normalized"].Flag(absent: !special),
        };
    }

    private MergeTable ReadMerges(FileNode list)
    {
        var merges = new MergeTable(list.Count);
        var rank = 0;
        foreach (var node in list.Items())
        {
            var (left, right) = ReadPair(node);
            merges.Set(Find(node, left), Find(node, right), rank++, Find(node, left + right));
        }

        return merges;
    }

    private static (string Left, string Right) ReadPair(FileNode node)
    {
        if (node.IsArray)
        {
            return node.Count == 2
                ? (node.Items().First().Text(), node.Items().Last().Text())
                : throw node.Wrong($"{node.Count} parts", "two");
        }

        var parts = node.Text().Split(' ');
        return parts.Length == 2 ? (parts[0], parts[1]) : throw node.Unsupported("two tokens with a space between, or an array of two");
    }

    private int Find(FileNode merge, string token) =>
        _vocabulary.TryGetValue(token, out var id) ? id : throw merge.Wrong($"'{Shown(token)}', which is not in the vocabulary", "tokens of model.vocab");

    private int? ReadUnknown(FileNode node, List<AddedToken> added)
    {
        if (node.TextOrNull() is not { } token)
        {
            return null;
        }

        return _vocabulary.TryGetValue(token, out var id) ? id
            : added.Find(a => a.Content == token)?.Id ?? throw node.Unsupported("a token of the vocabulary");
    }

    /// <summary>Post-processors add tokens around a whole prompt, which here is the chat template's business: they are known, not applied.</summary>
    private static void CheckPostProcessor(FileNode node)
    {
        if (node.IsNull)
        {
            return;
        }

        var type = node["type"];
        switch (type.Text())
        {
            case "TemplateProcessing" or "ByteLevel":
                break;
            case "Sequence":
                foreach (var step in node["processors"].Items())
                {
                    CheckPostProcessor(step);
                }

                break;
            default:
                throw type.Unsupported("TemplateProcessing, ByteLevel, Sequence");
        }
    }

    private static void RefuseSet(FileNode model, string member, Func<FileNode, bool> isNeutral)
    {
        var node = model[member];
        if (!node.IsNull && !isNeutral(node))
        {
            throw node.Unsupported("null");
        }
    }

    private static string Shown(string token) => token.Length > 40 ? token[..40] + "..." : token;
}
