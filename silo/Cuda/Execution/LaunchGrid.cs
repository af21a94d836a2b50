namespace Loire.Cuda;

/// <summary>How many blocks of how many threads a launch has.</summary>
/// <param name="X">Blocks along x; at least 1, as are the others.</param>
/// <param name="Y">Blocks along y, at most 65,535.</param>
/// <param name="Z">Blocks along z, at most 65,535.</param>
/// <param name="Threads">Of a block, along x.</param>
/// <param name="SharedBytes">Dynamic shared memory of a block.</param>
/// <param name="Programmatic">
/// The kernel may start while its predecessor on the stream ends (programmatic dependent launch); it waits by griddepcontrol before it
/// reads what the predecessor writes. Ignored by devices older than 9.0.
/// </param>
public readonly record struct LaunchGrid(int X, int Y, int Z, int Threads, int SharedBytes = 0, bool Programmatic = false)
{
    public LaunchGrid(int blocks, int threads)
        : this(blocks, 1, 1, threads)
    {
    }
}
