using Loire.Engine.Backends;
using Loire.Engine.Scheduling;
using Loire.Engine.State;

namespace Loire.Engine.Replica;

/// <remarks>
/// <para>Steps: planned, enqueued, landed. While one runs, the next is enqueued behind it, with tokens that nobody has seen yet: the backend takes them from the step before.
/// A sequence whose token the host has to choose, or whose end only the host can see, waits until its step has landed, and those that share its steps with it.</para>
/// <para>Where sequences take turns, each turn has sequences of its own, so that stages work on the steps of several turns at once.</para>
/// </remarks>
internal sealed partial class StepLoop
{
    private readonly Queue<StepUnderWay> _underWay = [];
    private readonly Stack<StepUnderWay> _spareSteps = [];
    private int _nextTurn;

    /// <summary>Enqueues as many steps as may be under way, and lands the oldest. False: there was nothing to compute.</summary>
    private bool Step()
    {
        Balance();
        var startOver = _startOvers;
        while (_underWay.Count < _backend.MostUnderWay && TryEnqueue())
        {
        }

        if (_underWay.Count == 0)
        {
            return _startOvers != startOver; // plan again
        }

        Land();
        return true;
    }

    /// <summary>The next turn that has anything to compute, if one does.</summary>
    private bool TryEnqueue()
    {
        for (var i = 0; i < _backend.Turns; i++)
        {
            var turn = (_nextTurn + i) % _backend.Turns;
            if (!TryPlan(turn))
            {
                continue;
            }

            if (TryFillBatch())
            {
                _nextTurn = (turn + 1) % _backend.Turns;
                _backend.Enqueue(_batch);
                Depart();
                return true;
            }

            if (_underWay.Count > 0)
            {
                return false; // it lacks pages: steps of other turns would take them, and never all have landed
            }
        }

        return false;
    }

    /// <summary>Says how many tokens of each sequence of a turn go into the next step. False: none.</summary>
    private bool TryPlan(int turn)
    {
        _planned.Clear();
        foreach (var sequence in _running)
        {
            if (sequence.Turn != turn)
            {
                continue;
            }

            if (sequence.Coming > 0 && !CanGoOnUnseen(sequence) && !IsLastComing(sequence))
            {
                return false; // without it the step would cost as much as with it
            }

            _candidates[_planned.Count] = CandidateOf(sequence);
            _planned.Add(sequence);
        }

        return _scheduler.Plan(_candidates.AsSpan(0, _planned.Count), _counts) > 0;
    }

    private static Candidate CandidateOf(Sequence sequence)
    {
        var left = sequence.Count - sequence.Computed;
        var mustWait = sequence.Phase is not SequencePhase.Running || sequence.IsCancelled || (left <= 0 && (sequence.Coming > 1 || IsLastComing(sequence)));
        return new Candidate(sequence.Computed, Math.Max(left, 1), left <= 1, mustWait || sequence.IsReaderBehind());
    }

    private bool CanGoOnUnseen(Sequence sequence) => sequence.CanGoOnUnseen && (_backend.CanDraw || sequence.Sampler.IsPlain);

    /// <summary>Whether no token comes after those that are coming.</summary>
    private static bool IsLastComing(Sequence sequence) => sequence.Count + sequence.Coming >= sequence.MaxTokens;

    /// <returns>False: nothing is in it. All that was planned has to wait for steps that are under way, or to start over.</returns>
    private bool TryFillBatch()
    {
        _batch.Clear();
        _inStep.Clear();
        for (var i = 0; i < _planned.Count; i++)
        {
            var sequence = _planned[i];
            if (_counts[i] == 0 || sequence.Place is not { } place)
            {
                continue; // left out, or it had to start over
            }

            if (!TryGrow(place.Pages, sequence.Computed + _counts[i], sequence))
            {
                if (_underWay.Count > 0)
                {
                    return false; // when they have landed there may be room, and nobody starts over who is in one of them
                }

                continue;
            }

            Add(sequence, place, _counts[i]);
        }

        return _batch.RowCount > 0;
    }

    private void Add(Sequence sequence, StatePlace place, int count)
    {
        var end = sequence.Computed + count;
        if (sequence.Computed >= sequence.Count)
        {
            _batch.AddNext(place.Slot, place.Pages, sequence.Computed, sequence.Result, sequence.ChoiceAt(end));
        }
        else
        {
            var reachesEnd = end == sequence.Count;
            _batch.Add(
                place.Slot, place.Pages, sequence.Computed, sequence.Next(count),
                reachesEnd ? LogitsWanted.Last : LogitsWanted.None, reachesEnd ? sequence.ChoiceAt(end) : default);
        }

        _batch.NeedsCandidates |= end >= sequence.Count && !sequence.Sampler.IsPlain;
        _inStep.Add(sequence);
    }

    /// <summary>The step is under way: its sequences have got as far as it brings them.</summary>
    private void Depart()
    {
        var step = _spareSteps.TryPop(out var spare) ? spare : new StepUnderWay();
        step.Clear();
        var logits = 0;
        for (var i = 0; i < _inStep.Count; i++)
        {
            var sequence = _inStep[i];
            var rows = _batch.Sequences[i].RowCount;
            sequence.Computed += rows;
            sequence.UnderWay++;
            var isWanted = sequence.Computed >= sequence.Count;
            step.Add(new SequenceRows(sequence, rows, isWanted ? logits : -1));
            if (isWanted)
            {
                sequence.Coming++;
                sequence.Result = _backend.MostUnderWay > 1 ? _backend.ResultOf(logits) : -1;
                logits++;
            }
        }

        _underWay.Enqueue(step);
    }

    /// <summary>Waits for the oldest step, and hands out its tokens.</summary>
    /// <exception cref="StepFailedException">A defect, also where somebody's question has waited for the step: nothing here can be trusted.</exception>
    private void Land()
    {
        try
        {
            HandOut();
        }
        catch (Exception defect) when (defect is InvalidOperationException or ArgumentException)
        {
            throw new StepFailedException(defect.Message, defect); // questions answer with those two kinds, and go on
        }
    }

    private void HandOut()
    {
        _backend.Land();
        var step = _underWay.Dequeue();
        _steps++;
        foreach (var part in step.Parts)
        {
            if (part.IsVoid)
            {
                continue;
            }

            part.Sequence.UnderWay--;
            _promptTokens += part.Logits < 0 ? part.Rows : part.Rows - 1;
            if (part.Logits >= 0)
            {
                part.Sequence.Coming--;
                Sample(part.Sequence, part.Logits);
            }
        }

        _spareSteps.Push(step);
    }

    /// <summary>Waits until no step under way has the sequence.</summary>
    private void Land(Sequence sequence)
    {
        while (sequence.UnderWay > 0)
        {
            Land();
        }
    }

    /// <summary>The backend has not chosen the sequence's token, or it is the last: what the step behind has of it leaves no trace.</summary>
    private void Void(Sequence sequence)
    {
        foreach (var step in _underWay)
        {
            if (step.Void(sequence))
            {
                sequence.UnderWay--;
                sequence.Coming--;
                sequence.Computed--;
                return;
            }
        }
    }

    /// <summary>Turns are to have as many sequences as each other; the youngest change over.</summary>
    private void Balance()
    {
        var (least, most) = FewestAndMost();
        for (var i = _running.Count - 1; i >= 0 && CountOf(most) > CountOf(least) + 1; i--)
        {
            _running[i].Turn = _running[i].Turn == most ? least : _running[i].Turn;
        }
    }

    /// <summary>The turns with the fewest sequences and with the most.</summary>
    private (int Least, int Most) FewestAndMost()
    {
        var (least, most) = (0, 0);
        for (var turn = 1; turn < _backend.Turns; turn++)
        {
            least = CountOf(turn) < CountOf(least) ? turn : least;
            most = CountOf(turn) > CountOf(most) ? turn : most;
        }

        return (least, most);
    }

    private int CountOf(int turn)
    {
        var count = 0;
        foreach (var sequence in _running)
        {
            count += sequence.Turn == turn ? 1 : 0;
        }

        return count;
    }
}

/// <summary>A step that has run gave what cannot be.</summary>
internal sealed class StepFailedException(string message, Exception inner) : Exception(message, inner);
