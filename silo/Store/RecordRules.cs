namespace Loire.Store;

/// <summary>What must hold within a record. Each rule answers with the field and what is wrong, or null.</summary>
internal static class RecordRules
{
    public static string? Fault(this TurnRecord turn)
    {
        return turn switch
        {
            { FormatVersion: not TurnRecord.CurrentFormatVersion } =>
                $"formatVersion is {turn.FormatVersion}; this build reads {TurnRecord.CurrentFormatVersion}",
            { Depth: < 0 } => $"depth is {turn.Depth}",
            { KeepTokens: < 0 } => $"keepTokens is {turn.KeepTokens}",
            { KeepMessages: < 0 } => $"keepMessages is {turn.KeepMessages}",
            { Parent: null } when turn.Depth != 0 || turn.KeepTokens != 0 || turn.KeepMessages != 0 =>
                "a turn without a parent keeps nothing and has depth 0",
            { Parent: not null, Depth: 0 } => "depth is 0 in a turn with a parent",
            _ when turn.GeneratedTokens < 0 || turn.GeneratedTokens > turn.NewTokens.Count =>
                $"generatedTokens is {turn.GeneratedTokens} of {turn.NewTokens.Count} new tokens",
            _ when turn.NewTokens.Count > int.MaxValue - turn.KeepTokens => "newTokens is too long",
            _ when turn.CheckpointTokens < 0 || turn.CheckpointTokens > turn.TotalTokens =>
                $"checkpointTokens is {turn.CheckpointTokens} of {turn.TotalTokens} tokens",
            _ => Name(turn.TurnId, "turnId", SessionReference.MaxIdLength) ?? Negative(turn.NewTokens, "newTokens") ?? Null(turn.Messages, "messages") ?? turn.Owner.Fault(),
        };
    }

    public static string? Fault(this SessionReference session) => session switch
    {
        { FormatVersion: not SessionReference.CurrentFormatVersion } =>
            $"formatVersion is {session.FormatVersion}; this build reads {SessionReference.CurrentFormatVersion}",
        { Epoch: < 1 } => $"epoch is {session.Epoch}",
        _ => Name(session.Id, "id", SessionReference.MaxIdLength) ?? session.Owner.Fault() ?? session.Open?.Fault(),
    };

    public static string? Fault(this CheckpointManifest manifest)
    {
        return manifest switch
        {
            { FormatVersion: not CheckpointManifest.CurrentFormatVersion } =>
                $"formatVersion is {manifest.FormatVersion}; this build reads {CheckpointManifest.CurrentFormatVersion}",
            { LayoutVersion: not StateAddress.LayoutVersion } =>
                $"layoutVersion is {manifest.LayoutVersion}; this build reads {StateAddress.LayoutVersion}",
            { TokenCount: < 1 } => $"tokenCount is {manifest.TokenCount}",
            { PageTokens: < 1 or > PrefixDigests.MaxPageTokens } => $"pageTokens is {manifest.PageTokens}",
            _ when manifest.TokenCount % manifest.PageTokens == 0 && manifest.LastPageEnd != manifest.TokenDigest =>
                "lastPageEnd differs from tokenDigest at a page end",
            _ => manifest.Owner.Fault() ?? BlobFault(manifest),
        };
    }

    public static string? Fault(this StateOwner owner) => Name(owner.Value, "owner", StateOwner.MaxLength);

    private static string? Name(string name, string field, int maxLength)
    {
        if (name.Length == 0 || name.Length > maxLength)
        {
            return $"{field} has {name.Length} characters; 1 to {maxLength} are allowed";
        }

        for (var i = 0; i < name.Length; i++)
        {
            if (char.IsSurrogate(name[i]) && !(i + 1 < name.Length && char.IsSurrogatePair(name[i], name[++i])))
            {
                return $"{field} has half a character at {i}";
            }
        }

        return null;
    }

    private static string? Fault(this OpenTurn open) => open switch
    {
        { KeepTokens: < 0 } => $"open.keepTokens is {open.KeepTokens}",
        { KeepMessages: < 0 } => $"open.keepMessages is {open.KeepMessages}",
        { CheckpointTokens: < 0 } => $"open.checkpointTokens is {open.CheckpointTokens}",
        _ => Name(open.TurnId, "open.turnId", SessionReference.MaxIdLength)
            ?? Negative(open.PromptTokens, "open.promptTokens")
            ?? Negative(open.GeneratedTokens, "open.generatedTokens")
            ?? Null(open.Messages, "open.messages"),
    };

    private static string? BlobFault(CheckpointManifest manifest)
    {
        for (var i = 0; i < manifest.Blobs.Count; i++)
        {
            if (manifest.Blobs[i] is not { } blob)
            {
                return $"blobs[{i}] is null";
            }

            if (blob.Fault(manifest) is { } fault)
            {
                return $"blobs[{i}].{fault}";
            }
        }

        return null;
    }

    private static string? Fault(this BlobReference blob, CheckpointManifest manifest) => blob switch
    {
        { Kind: BlobKind.None } => "kind is none",
        { Layer: < 0 } => $"layer is {blob.Layer}",
        { Length: < 0 or > int.MaxValue } => $"length is {blob.Length}",
        { Page: < 0 } => $"page is {blob.Page}",
        { Kind: BlobKind.KeyValuePage } when blob.Page >= manifest.TokenCount / manifest.PageTokens =>
            $"page is {blob.Page}; {manifest.TokenCount} tokens fill {manifest.TokenCount / manifest.PageTokens}",
        _ when blob.DType != manifest.DType => $"dType is {blob.DType} in a checkpoint of {manifest.DType}",
        _ => null,
    };

    private static string? Negative(IReadOnlyList<int> tokens, string field)
    {
        for (var i = 0; i < tokens.Count; i++)
        {
            if (tokens[i] < 0)
            {
                return $"{field}[{i}] is {tokens[i]}";
            }
        }

        return null;
    }

    private static string? Null(IReadOnlyList<TurnMessage?> messages, string field)
    {
        for (var i = 0; i < messages.Count; i++)
        {
            if (messages[i] is null)
            {
                return $"{field}[{i}] is null";
            }
        }

        return null;
    }
}
