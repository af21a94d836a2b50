using System.Diagnostics;
using Loire.Engine.Backends;
using Loire.Engine.Backends.Cuda;
using Loire.Kernels;

namespace Loire.Engine.Replica;

/// <summary>Times decode steps of a batch, enqueued as the step loop does it: ahead of their tokens, and in turns where there are stages. A round is a token of each sequence.</summary>
/// <param name="backend">With nothing under way.</param>
/// <param name="pages">Of each sequence, whose slot is its index.</param>
/// <param name="context">Tokens of each before the first round.</param>
/// <param name="tokens">Of each, to begin with.</param>
internal sealed class DecodeRounds(CudaBackend backend, List<int>[] pages, int context, int[] tokens)
{
    private readonly StepBatch _batch = new(pages.Length, pages.Length, pages.Length);
    private readonly int _turns = Math.Min(backend.Turns, pages.Length);
    private readonly int[] _results = new int[pages.Length];
    private readonly int[] _fed = new int[pages.Length];

    /// <param name="rounds">Timed.</param>
    /// <param name="warmUp">Rounds before them.</param>
    /// <param name="beforeRound">By the stepping thread.</param>
    /// <param name="cancellationToken">Between two steps.</param>
    /// <returns>From one round's last step to the next one's.</returns>
    public TimeSpan[] Run(int rounds, int warmUp, Action? beforeRound, CancellationToken cancellationToken)
    {
        var landings = new long[(rounds + warmUp) * _turns];
        var most = Math.Min(backend.MostUnderWay, _turns + 1);
        for (var (enqueued, landed) = (0, 0); landed < landings.Length; landed++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            for (; enqueued < landings.Length && enqueued - landed < most; enqueued++)
            {
                if (enqueued % _turns == 0)
                {
                    beforeRound?.Invoke();
                }

                Enqueue(enqueued % _turns, isAhead: enqueued >= _turns && most > 1);
            }

            backend.Land();
            landings[landed] = Stopwatch.GetTimestamp();
            Keep(landed % _turns);
        }

        return [.. Enumerable.Range(warmUp, rounds).Select(round => TimeOf(landings, round))];
    }

    private TimeSpan TimeOf(long[] landings, int round)
    {
        var last = ((round + 1) * _turns) - 1;
        return Stopwatch.GetElapsedTime(landings[Math.Max(0, last - _turns)], landings[last]);
    }

    private void Enqueue(int turn, bool isAhead)
    {
        _batch.Clear();
        for (var i = turn; i < pages.Length; i += _turns)
        {
            var position = context + _fed[i]++;
            if (isAhead)
            {
                _batch.AddNext(slot: i, pages[i], position, _results[i], RowChoice.Best([]));
            }
            else
            {
                _batch.Add(slot: i, pages[i], position, tokens.AsSpan(i, 1), LogitsWanted.Last, RowChoice.Best([]));
            }
        }

        backend.Enqueue(_batch);
        for (var (i, row) = (turn, 0); i < pages.Length; i += _turns)
        {
            _results[i] = backend.ResultOf(row++);
        }
    }

    private void Keep(int turn)
    {
        for (var (i, row) = (turn, 0); i < pages.Length; i += _turns)
        {
            tokens[i] = backend.Chosen(row++) is var chosen and >= 0
                ? chosen
                : throw new InvalidOperationException($"No token could be chosen for sequence {i}: its logits are no numbers.");
        }
    }
}
