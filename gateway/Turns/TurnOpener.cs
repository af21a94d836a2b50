using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Loire.Contracts;
using Orleans;

namespace Loire.Gateway;

/// <summary>Builds turns on the history of their sessions and starts them.</summary>
/// <remarks>
/// 1. The history is read, if the request leaves it to a session.
/// 2. The prompt is encoded on top of it and checked against the model's context.
/// 3. The turn is sent to the session's grain, and its first event awaited: what is refused is refused with an HTTP status.
/// 4. If the session has moved on meanwhile, all of it is done again, a bounded number of times.
/// </remarks>
internal sealed class TurnOpener(IGrainFactory grains, ModelCatalog catalog, Failover failover, GatewayOptions options)
{
    private const int RandomIdBytes = 12;

    /// <param name="owner">Whose session it is.</param>
    /// <param name="fields">What was asked for.</param>
    /// <param name="prompt">What is new.</param>
    /// <param name="namedSession">The <c>x-session-id</c> header: names the session of a request that carries its whole history.</param>
    /// <param name="cancellationToken">Cancels the turn itself, for as long as it runs.</param>
    public async Task<OpenTurn> OpenAsync(string owner, TurnFields fields, IPrompt prompt, string? namedSession, CancellationToken cancellationToken)
    {
        var session = fields.SessionId ?? namedSession;
        var turnId = fields.TurnId ?? RandomId();
        var seed = fields.Sampling.Seed ?? SeedOf(session, turnId);
        var grain = grains.GetGrain<ISessionGrain>(new SessionKey(owner, session ?? $"unnamed-{RandomId()}").ToString());

        for (var attempt = 1; ; attempt++)
        {
            var history = fields.SessionId is null ? null : await HistoryAsync(grain, fields, cancellationToken);
            var model = await catalog.GetAsync(fields.Model ?? history?.Model);
            var request = Request(model, fields, prompt, history, turnId, seed) with
            {
                KeepSession = session is not null,
                ExpectNew = fields.SessionId is not null && history is null,
            };
            var events = new TurnFeed(grain, request, failover, cancellationToken);
            try
            {
                var start = await events.MoveNextAsync() && events.Current is { Kind: TurnEventKind.Started, Start: { } first } ? first
                    : throw new InvalidOperationException($"Turn '{turnId}' of session '{session}' did not begin with a Started event.");
                return new OpenTurn { Model = model, Session = session, TurnId = turnId, Seed = seed, Start = start, Events = events };
            }
            catch (ClusterException moved) when (moved.Code == FailureCode.HeadMoved && attempt < options.HeadMovedAttempts)
            {
                await events.DisposeAsync();
            }
            catch
            {
                await events.DisposeAsync();
                throw;
            }
        }
    }

    /// <summary>Null for a session without a committed turn: the next one is its first. A retry of a turn is built on what that turn was built on.</summary>
    private async Task<SessionHistory?> HistoryAsync(ISessionGrain grain, TurnFields fields, CancellationToken cancellationToken)
    {
        var history = await failover.ReadAsync(() => grain.GetHistoryAsync(fields.TurnId), cancellationToken);
        if (history is not null && fields.Model is not null && fields.Model != history.Model)
        {
            throw new ClusterException(FailureCode.InvalidRequest, $"model is '{BodyObject.Shorten(fields.Model)}', but session '{fields.SessionId}' was begun with '{history.Model}': leave model out, or begin another session.", "model");
        }

        return history?.Head is null ? null : history;
    }

    private TurnRequest Request(ServedModel model, TurnFields fields, IPrompt prompt, SessionHistory? history, string turnId, ulong seed)
    {
        RefuseUnknownTokens(model, fields.Sampling.LogitBias);
        var tokens = prompt.Encode(model, history);
        return new TurnRequest
        {
            TurnId = turnId,
            Model = model.View.Id,
            ExpectedHead = history?.Head,
            KeepTokens = tokens.Keep,
            Tokens = tokens.New,
            KeepMessages = tokens.KeepMessages,
            Messages = tokens.Messages,
            Sampling = Sampling(model.Defaults, fields.Sampling, seed),
            MaxTokens = MaxTokens(model, fields, prompt.Field, tokens.Total),
            Stop = fields.Stop,
            Durability = fields.Durability,
            IsCompletion = prompt.IsCompletion,
            StopAtEnd = !fields.IgnoreEnd,
        };
    }

    private int MaxTokens(ServedModel model, TurnFields fields, string promptField, int promptTokens)
    {
        var room = model.View.ContextTokens - promptTokens;
        if (room < 1)
        {
            throw new ClusterException(FailureCode.ContextTooLong, $"{promptField} makes a prompt of {promptTokens:N0} tokens, and {model.View.Id} holds {model.View.ContextTokens:N0}, the answer included. Shorten it, or rewind the session.", promptField);
        }

        if (fields.MaxTokens > room)
        {
            throw new ClusterException(FailureCode.InvalidRequest, $"{fields.MaxTokensField} is {fields.MaxTokens:N0}, but the prompt of {promptTokens:N0} tokens leaves room for {room:N0} of the {model.View.ContextTokens:N0} that {model.View.Id} holds.", fields.MaxTokensField);
        }

        return fields.MaxTokens ?? Math.Min(room, fields.DefaultMaxTokens ?? options.DefaultAnswerTokens);
    }

    private static SamplingOptions Sampling(GenerationDefaults defaults, SamplingFields fields, ulong seed) => new()
    {
        Temperature = fields.Temperature ?? defaults.Temperature,
        TopK = Math.Max(0, fields.TopK ?? defaults.TopK),
        TopP = fields.TopP ?? defaults.TopP,
        MinP = fields.MinP ?? 0,
        RepetitionPenalty = fields.RepetitionPenalty ?? defaults.RepetitionPenalty,
        PresencePenalty = fields.PresencePenalty ?? 0,
        FrequencyPenalty = fields.FrequencyPenalty ?? 0,
        Seed = seed,
        LogitBias = fields.LogitBias,
        LogProbs = fields.LogProbs,
    };

    private static void RefuseUnknownTokens(ServedModel model, ImmutableDictionary<int, float> biases)
    {
        foreach (var token in biases.Keys)
        {
            if (token >= model.View.VocabularySize)
            {
                throw new ClusterException(FailureCode.InvalidRequest, $"logit_bias.{token} names no token: {model.View.Id} has {model.View.VocabularySize:N0}, 0 to {model.View.VocabularySize - 1}.", $"logit_bias.{token}");
            }
        }
    }

    public static string RandomId() => RandomNumberGenerator.GetHexString(2 * RandomIdBytes, lowercase: true);

    /// <summary>
    /// As random as the turn's id, and the same for a retry of it: what has to be computed again comes out the same.
    /// Of 53 bits, so that clients whose numbers are doubles can send back what the answer tells.
    /// </summary>
    private static ulong SeedOf(string? session, string turnId) =>
        BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes($"{session}/{turnId}"))) >> 11;
}
