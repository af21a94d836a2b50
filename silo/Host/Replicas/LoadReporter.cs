using System.Collections.Concurrent;
using Loire.Silo.Models;
using Microsoft.Extensions.Logging;

namespace Loire.Silo.Replicas;

/// <summary>Passes steps of loading to the option's receiver, and every tenth of the way to the log.</summary>
internal sealed partial class LoadReporter(IProgress<LoadStep>? receiver, ILogger<LoadReporter> logger) : IProgress<LoadStep>
{
    private readonly ConcurrentDictionary<string, int> _tenths = [];

    public void Report(LoadStep value)
    {
        receiver?.Report(value);
        var tenth = (int)(value.Fraction * 10);
        var before = _tenths.GetValueOrDefault(value.Replica, -1);
        if (tenth > before && (before < 0 ? _tenths.TryAdd(value.Replica, tenth) : _tenths.TryUpdate(value.Replica, tenth, before)))
        {
            LogLoading(value.Replica, value.Part, tenth * 10);
        }
    }

    [LoggerMessage(LogLevel.Information, "Replica {Replica} loads {Part}: {Percent}% of all")]
    private partial void LogLoading(string replica, string part, int percent);
}
