using Loire.Engine.Sampling;

namespace Loire.Engine.Tests.Sampling;

public sealed class SamplingSettingsTests
{
    public static TheoryData<string, SamplingSettings> Wrong()
    {
        var data = new TheoryData<string, SamplingSettings>
        {
            { "TopK", new SamplingSettings { TopK = -1 } },
            { "LogProbs", new SamplingSettings { LogProbs = 21 } },
            { "LogProbs", new SamplingSettings { LogProbs = -2 } },
            { "LogitBias", new SamplingSettings { LogitBias = new Dictionary<int, float> { [10] = 0 } } },
            { "LogitBias", new SamplingSettings { LogitBias = new Dictionary<int, float> { [-1] = 0 } } },
            { "LogitBias", new SamplingSettings { LogitBias = new Dictionary<int, float> { [1] = float.NaN } } },
            { "LogitBias", new SamplingSettings { LogitBias = new Dictionary<int, float> { [1] = 101 } } },
            { "TopP", new SamplingSettings { TopP = 1.01f } },
            { "RepetitionPenalty", new SamplingSettings { RepetitionPenalty = 0 } },
            { "PresencePenalty", new SamplingSettings { PresencePenalty = 2.1f } },
        };
        foreach (var odd in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity, -3, 1e30f })
        {
            data.Add("Temperature", new SamplingSettings { Temperature = odd });
            data.Add("TopP", new SamplingSettings { TopP = odd });
            data.Add("MinP", new SamplingSettings { MinP = odd });
            data.Add("RepetitionPenalty", new SamplingSettings { RepetitionPenalty = odd });
            data.Add("PresencePenalty", new SamplingSettings { PresencePenalty = odd });
            data.Add("FrequencyPenalty", new SamplingSettings { FrequencyPenalty = odd });
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public void A_setting_out_of_range_names_itself(string field, SamplingSettings settings)
    {
        var error = Assert.Throws<ArgumentException>(() => new Sampler(10, settings));

        Assert.Equal(field, error.ParamName);
        Assert.StartsWith(field, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_ends_of_the_ranges_are_allowed()
    {
        new SamplingSettings { Temperature = 100, TopK = int.MaxValue, TopP = 0, MinP = 1, PresencePenalty = 2, FrequencyPenalty = -2, LogProbs = 20, Seed = ulong.MaxValue }.Validate(10);
        SamplingSettings.Greedy.Validate(1);
    }
}
