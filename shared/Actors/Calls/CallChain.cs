using System.Text;
using Orleans.Runtime;

namespace Loire.Actors.Calls;

/// <summary>Says in words who called whom up to a call that was not answered, and what it waits for.</summary>
/// <remarks>Reads lists that change meanwhile: it is for messages, and leaves out what it cannot see any more.</remarks>
internal static class CallChain
{
    private const int MaxLength = 16;

    public static string Describe(Request request)
    {
        var chain = new List<string> { request.ToString() };
        var seen = new HashSet<Activation>();
        var cycle = false;
        var sender = request.Sender;
        var last = request;
        while (sender is not null && chain.Count < MaxLength)
        {
            cycle |= sender.GrainId == request.Target?.GrainId;
            if (!seen.Add(sender) || sender.RunningExclusive is not { } calling)
            {
                chain.Add(sender.GrainId.ToString());
                break;
            }

            chain.Add(calling.ToString());
            last = calling;
            sender = calling.Sender;
        }

        if (sender is null && last.Caller is { } remote)
        {
            foreach (var link in remote.Chain)
            {
                cycle |= link.GrainId == request.Target?.GrainId;
                chain.Add(link.Method.Length > 0 ? $"{link.GrainId}.{link.Method}" : link.GrainId.ToString());
            }

            chain.Add(remote.Peer.ToString());
        }
        else if (sender is null)
        {
            chain.Add("client");
        }

        chain.Reverse();
        var text = new StringBuilder().AppendJoin(" -> ", chain);
        if (request.Host?.RunningExclusive is { } blocking && blocking != request)
        {
            text.Append("; ").Append(request.Target?.GrainId).Append(" is busy with ").Append(blocking.Method.Name);
        }

        if (cycle)
        {
            text.Append("; the calls form a cycle: let it through with ")
                .Append(nameof(RequestContext)).Append('.').Append(nameof(RequestContext.AllowCallChainReentrancy))
                .Append(" or [AlwaysInterleave]");
        }

        return text.ToString();
    }
}
