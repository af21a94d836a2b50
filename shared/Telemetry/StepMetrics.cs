using System.Diagnostics.Metrics;

namespace Loire.Telemetry;

/// <summary>Counters of one replica at one moment.</summary>
public readonly record struct ReplicaReading(
    string Replica, int SlotsInUse, int PagesInUse, int Running, int Waiting, long Steps, long PromptTokens, long GeneratedTokens)
{
    /// <summary>All slots of the replica.</summary>
    public int Slots { get; init; }

    /// <summary>All pages of the replica.</summary>
    public int Pages { get; init; }
}

/// <summary><c>loire.step.*</c>: read from the replicas when somebody listens; a step itself pays nothing.</summary>
public sealed class StepMetrics
{
    private Func<IEnumerable<ReplicaReading>> _read = () => [];

    internal StepMetrics(Meter meter)
    {
        meter.CreateObservableGauge("loire.step.slots", () => Each(reading => reading.SlotsInUse), description: "Slots in use, resident states included.");
        meter.CreateObservableGauge("loire.step.pages", () => Each(reading => reading.PagesInUse), description: "Pages of keys and values in use.");
        meter.CreateObservableGauge("loire.step.slot_limit", () => Each(reading => reading.Slots), description: "Slots that there are.");
        meter.CreateObservableGauge("loire.step.page_limit", () => Each(reading => reading.Pages), description: "Pages of keys and values that there are.");
        meter.CreateObservableGauge("loire.step.running", () => Each(reading => reading.Running), description: "Sequences in the steps.");
        meter.CreateObservableGauge("loire.step.waiting", () => Each(reading => reading.Waiting), description: "Sequences that wait for admission.");
        meter.CreateObservableCounter("loire.step.count", () => Each(reading => reading.Steps), description: "Steps.");
        meter.CreateObservableCounter("loire.step.prompt_tokens", () => Each(reading => reading.PromptTokens), description: "Prompt tokens computed.");
        meter.CreateObservableCounter("loire.step.generated_tokens", () => Each(reading => reading.GeneratedTokens), description: "Tokens generated.");
    }

    /// <summary>Says where readings come from.</summary>
    public void ReadFrom(Func<IEnumerable<ReplicaReading>> read) => _read = read;

    private IEnumerable<Measurement<long>> Each(Func<ReplicaReading, long> value) =>
        _read().Select(reading => new Measurement<long>(value(reading), new KeyValuePair<string, object?>("replica", reading.Replica)));
}
