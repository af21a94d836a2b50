using System.Diagnostics;
using System.Text;

namespace Loire.Cli.Terminal;

/// <summary>A bar on the terminal's error stream, for what takes longer than a moment. Silent when that is not a terminal.</summary>
internal sealed class ProgressBar(string title) : IProgress<double>, IDisposable
{
    private const int Width = 30;

    // A load that ends sooner shows no bar at all: it would only flash.
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(300);

    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private readonly Lock _lock = new();
    private int _shownPercent = -1;

    /// <param name="value">0 to 1.</param>
    public void Report(double value)
    {
        var percent = (int)(Math.Clamp(value, 0, 1) * 100);
        lock (_lock)
        {
            if (Console.IsErrorRedirected || percent == _shownPercent || _watch.Elapsed < Patience)
            {
                return;
            }

            _shownPercent = percent;
            Console.Error.Write(Draw(percent));
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            if (_shownPercent >= 0)
            {
                Console.Error.Write("\r\e[K");
            }
        }
    }

    private string Draw(int percent)
    {
        var full = percent * Width / 100;
        return new StringBuilder().Append('\r').Append(title).Append(" [")
            .Append('#', full).Append('.', Width - full).Append("] ").Append(percent).Append(" %\e[K").ToString();
    }
}
