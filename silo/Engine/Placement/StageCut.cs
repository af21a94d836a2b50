using System.Collections.Immutable;

namespace Loire.Engine.Placement;

/// <summary>Cuts layers into contiguous stages: the dearest stage as cheap as can be, then the others as even as that leaves them.</summary>
internal static class StageCut
{
    /// <param name="layers">One for each stage at least.</param>
    /// <param name="stages">How many.</param>
    /// <param name="cost">Of layers [first, end) as stage i; more layers never cost less.</param>
    /// <returns>The dearest stage's cost, and the end of each stage.</returns>
    public static (double Most, ImmutableArray<int> Ends) Of(int layers, int stages, Func<int, int, int, double> cost)
    {
        var most = Best(layers, stages, cost, static (before, stage) => Math.Max(before, stage), double.PositiveInfinity).Cost;
        return (most, Best(layers, stages, cost, static (before, stage) => before + (stage * stage), most).Ends);
    }

    /// <summary>Over all cuts whose stages each cost at most so much. Among equals, the one with the shorter stages first.</summary>
    private static (double Cost, ImmutableArray<int> Ends) Best(
        int layers, int stages, Func<int, int, int, double> cost, Func<double, double, double> join, double most)
    {
        var best = new double[stages + 1, layers + 1];
        var from = new int[stages + 1, layers + 1];
        for (var end = 1; end <= layers; end++)
        {
            best[0, end] = double.PositiveInfinity;
        }

        for (var stage = 1; stage <= stages; stage++)
        {
            for (var end = 0; end <= layers; end++)
            {
                best[stage, end] = double.PositiveInfinity;
                for (var first = stage - 1; first < end; first++)
                {
                    if (double.IsPositiveInfinity(best[stage - 1, first]))
                    {
                        continue; // so few layers are not enough for the stages before
                    }

                    var own = cost(stage - 1, first, end);
                    var total = own > most ? double.PositiveInfinity : join(best[stage - 1, first], own);
                    if (total < best[stage, end])
                    {
                        (best[stage, end], from[stage, end]) = (total, first);
                    }
                }
            }
        }

        var ends = new int[stages];
        for (var (stage, end) = (stages, layers); stage > 0; end = from[stage, end], stage--)
        {
            ends[stage - 1] = end;
        }

        return (best[stages, layers], [.. ends]);
    }
}
