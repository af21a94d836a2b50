using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>Where the integers of one step lie on the device: which token of which sequence each row is, and where its state is.</summary>
/// <remarks>
/// Rows of a sequence follow each other in position order. A padded row, which fills a captured step up to its size, is a sequence of its own
/// at position 0 of a spare slot and a spare page: kernels treat it as any other, and several may share the spare ones.
/// </remarks>
public readonly record struct StepInputs
{
    public required int Rows { get; init; }

    public required int Sequences { get; init; }

    /// <summary>Each sequence has one row. Otherwise some may have, and some more.</summary>
    public required bool IsDecode { get; init; }

    /// <summary><c>[rows]</c>, from 0.</summary>
    public required DeviceVector<int> Positions { get; init; }

    /// <summary><c>[rows]</c></summary>
    public required DeviceVector<int> SequenceOfRow { get; init; }

    /// <summary><c>[sequences]</c></summary>
    public required DeviceVector<int> FirstRow { get; init; }

    /// <summary><c>[sequences]</c>, at least 1 each.</summary>
    public required DeviceVector<int> RowCount { get; init; }

    /// <summary><c>[sequences]</c>, of the recurrent state.</summary>
    public required DeviceVector<int> Slot { get; init; }

    /// <summary><c>[sequences, most pages of one]</c>: page i of a row holds positions <c>[64 i, 64 i + 64)</c>.</summary>
    public required DeviceMatrix<int> PageTable { get; init; }
}

/// <summary>Rows of the module's element type (bf16 or fp32), which may be part of a wider matrix.</summary>
/// <param name="Address">Of the first element of the first row.</param>
/// <param name="Stride">From one row to the next, in elements.</param>
public readonly record struct ElementRows(ulong Address, long Stride);
