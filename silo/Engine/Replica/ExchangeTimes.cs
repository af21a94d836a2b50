namespace Loire.Engine.Replica;

/// <summary>What it takes the GPUs of a group to add their sums once; a layer does it twice.</summary>
/// <param name="Rows">Of the step.</param>
/// <param name="Exchange">All give their rows to all, and meet.</param>
/// <param name="Copies">The driver's copies of the same rows, all ways at once, with nobody waiting.</param>
public readonly record struct ExchangeTimes(int Rows, TimeSpan Exchange, TimeSpan Copies);
