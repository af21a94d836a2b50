using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Loire.Actors.Redis.Tests;

/// <summary>Keeps what is logged, to be shown when a test fails.</summary>
internal sealed class RecordingLog : ILoggerProvider, ILogger
{
    private readonly ConcurrentQueue<string> _lines = new();

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _lines.Enqueue($"{TimeProvider.System.GetUtcNow():HH:mm:ss.fff} {eventId.Name}: {formatter(state, exception)}{(exception is null ? "" : $" {exception.Message}")}");

    public bool Contains(string text) => _lines.Any(line => line.Contains(text, StringComparison.Ordinal));

    public override string ToString() => string.Join("\n", _lines);

    public void Dispose()
    {
    }
}
