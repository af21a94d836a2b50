using System.Text;
using System.Text.Json;

namespace Loire.Gateway.Tests;

/// <summary>Whatever is sent, the answer is a success or a refusal in OpenAI's shape: never a 500, never a hang.</summary>
public sealed class FuzzTests
{
    private const int BodiesPerSeed = 400;

    private static readonly string[] Valid =
    [
        """{"model":"loire-demo","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"Hé \ud83d\udea3"}]}],"temperature":0.7,"top_p":0.9,"top_k":5,"min_p":0.1,"stop":["a","b"],"seed":7,"max_tokens":9,"logit_bias":{"5":-1.5},"logprobs":true,"top_logprobs":2}""",
        """{"messages":[{"role":"user","content":"x","name":"n"},{"role":"assistant","content":null,"tool_calls":[{"id":"1"}]},{"role":"tool","content":"r","tool_call_id":"1"}],"stream":true,"stream_options":{"include_usage":true},"session_id":"s","turn_id":"t","durability":"async","ignore_eos":false,"n":1,"tools":[{"type":"function"}],"response_format":{"type":"text"}}""",
        """{"prompt":"Once upon","max_tokens":5,"logprobs":3,"repetition_penalty":1.1,"presence_penalty":0,"frequency_penalty":0}""",
        """{"prompt":[[1,2,3]],"user":"u","echo":false,"suffix":null,"best_of":1}""",
    ];

    private static readonly string[] Splices =
    [
        "null", "true", "-1", "0", "1e999", "1.5", "99999999999999999999", "\"\"", "\"x\"", "[]", "{}", "[[]]", "[{}]", "{\"a\":{}}", ",", ":", "\"", "{", "}", "[", "]", "\\", "\\u0000", "\\ud800", "\\udc00\\ud800", "\0", "\uFEFF", "é", "🚣", " ", "\n", "\"role\"", "\"content\"", "<|im_end|>",
    ];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_mutated_request_is_answered_or_refused(int seed)
    {
        await using var gateway = await TestGateway.StartAsync();
        var random = new Random(seed);
        for (var i = 0; i < BodiesPerSeed; i++)
        {
            var body = Mutate(random, Encoding.UTF8.GetBytes(Valid[random.Next(Valid.Length)]));
            var path = random.Next(2) == 0 ? "/v1/chat/completions" : "/v1/completions";
            using var content = new ByteArrayContent(body);
            content.Headers.ContentType = new("application/json");

            using var response = await gateway.Http.PostAsync(path, content);

            await AssertWellFormedAsync(response, $"seed {seed}, body {i}: {Encoding.Latin1.GetString(body)}");
        }
    }

    private static async Task AssertWellFormedAsync(HttpResponseMessage response, string sent)
    {
        var status = (int)response.StatusCode;
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(status is 200 or (>= 400 and < 500), $"{status} for {sent}: {text}");
        if (status != 200)
        {
            Assert.NotEmpty(ApiError.Of(status, JsonElement.Parse(text)).Message);
        }
        else if (response.Content.Headers.ContentType?.MediaType == "text/event-stream")
        {
            Assert.EndsWith("data: [DONE]\n\n", text, StringComparison.Ordinal);
        }
        else
        {
            Assert.True(JsonElement.Parse(text).TryGetProperty("choices", out _), text);
        }
    }

    private static byte[] Mutate(Random random, byte[] body)
    {
        var bytes = body.ToList();
        for (var edits = random.Next(1, 5); edits > 0; edits--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(5))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 12), bytes.Count - at));
                    break;
                case 2:
                    bytes.InsertRange(at, Encoding.UTF8.GetBytes(Splices[random.Next(Splices.Length)]));
                    break;
                case 3:
                    ReplaceValue(random, bytes);
                    break;
                default:
                    bytes.InsertRange(at, bytes.GetRange(at, Math.Min(random.Next(1, 40), bytes.Count - at)));
                    break;
            }

            if (bytes.Count == 0)
            {
                bytes.Add((byte)'{');
            }
        }

        return [.. bytes];
    }

    /// <summary>Puts something else after a colon: often still JSON, with a wrong value.</summary>
    private static void ReplaceValue(Random random, List<byte> bytes)
    {
        var colons = Enumerable.Range(0, bytes.Count).Where(index => bytes[index] == ':').ToArray();
        if (colons.Length == 0)
        {
            return;
        }

        var start = colons[random.Next(colons.Length)] + 1;
        var end = bytes.FindIndex(start, value => value is (byte)',' or (byte)'}' or (byte)']');
        bytes.RemoveRange(start, (end < 0 ? bytes.Count : end) - start);
        bytes.InsertRange(start, Encoding.UTF8.GetBytes(Splices[random.Next(Splices.Length)]));
    }
}
