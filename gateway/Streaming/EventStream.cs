using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;
using Loire.Contracts;
using Microsoft.AspNetCore.Http.Features;

namespace Loire.Gateway;

/// <summary>Sends a turn as server-sent events while it is computed.</summary>
/// <remarks>
/// Events are written into the response's own buffer and sent as soon as no further one is at hand.
/// A reader slower than the model stops the pulling of events once that buffer (64 KiB by default) is full, and is cut off
/// by the server's minimum data rate when it stops reading altogether: nothing piles up here.
/// </remarks>
internal sealed class EventStream(HttpContext http, AnswerShape shape, bool includeUsage) : IDisposable
{
    private readonly PipeWriter _pipe = http.Response.BodyWriter;
    private readonly Utf8JsonWriter _json = new(http.Response.BodyWriter, JsonAnswer.WriterOptions);

    /// <summary>Sends all of a turn. Returns early when the client is gone.</summary>
    public async Task SendAsync(OpenTurn turn)
    {
        Begin();
        var pending = turn.Events.MoveNextAsync();
        while (await NextAsync(pending))
        {
            switch (turn.Events.Current)
            {
                case { Kind: TurnEventKind.Tokens, Chunk: { } chunk } when chunk.Text.Length > 0 || !chunk.LogProbs.IsEmpty:
                    Write(chunk, static (json, shape, chunk) => shape.WriteChunk(json, chunk));
                    break;
                case { Kind: TurnEventKind.Finished, Finish: { } finish }:
                    End(finish);
                    await _pipe.FlushAsync(http.RequestAborted);
                    return;
            }

            pending = turn.Events.MoveNextAsync();
        }

        if (!http.RequestAborted.IsCancellationRequested && !_gone)
        {
            throw new InvalidOperationException($"Turn '{turn.TurnId}' ended without a Finished event.");
        }
    }

    /// <summary>Ends a stream that has begun with an error event: its status can no longer change.</summary>
    public async Task FailAsync(HttpFailure failure)
    {
        Write(failure, static (json, _, failure) => FailureBody.Write(json, failure));
        await _pipe.FlushAsync(http.RequestAborted);
    }

    public void Dispose() => _json.Dispose();

    private bool _gone;

    private void Begin()
    {
        http.Response.StatusCode = StatusCodes.Status200OK;
        http.Response.ContentType = "text/event-stream; charset=utf-8";
        http.Response.Headers.CacheControl = "no-cache";
        http.Response.Headers["x-accel-buffering"] = "no"; // a proxy in between must not collect the tokens
        http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        if (shape.HasOpening)
        {
            Write(shape, static (json, shape, _) => shape.WriteOpening(json));
        }
    }

    private void End(TurnFinish finish)
    {
        Write(finish, static (json, shape, finish) => shape.WriteFinish(json, finish));
        if (includeUsage)
        {
            Write(finish, static (json, shape, finish) => shape.WriteUsageChunk(json, finish));
        }

        _pipe.Write("data: [DONE]\n\n"u8);
    }

    /// <summary>Sends what is written before it waits for more. False at the end, or when nobody reads any more.</summary>
    private async ValueTask<bool> NextAsync(ValueTask<bool> pending)
    {
        if (!pending.IsCompleted || _pipe.UnflushedBytes > FlushAt)
        {
            _gone |= (await _pipe.FlushAsync(http.RequestAborted)).IsCompleted;
        }

        return await pending && !_gone;
    }

    /// <summary>A burst of ready events is sent in pieces of a TCP segment or two.</summary>
    private const int FlushAt = 4096;

    private void Write<T>(T value, Action<Utf8JsonWriter, AnswerShape, T> write)
    {
        _pipe.Write("data: "u8);
        _json.Reset(_pipe);
        write(_json, shape, value);
        _json.Flush();
        _pipe.Write("\n\n"u8);
    }
}
