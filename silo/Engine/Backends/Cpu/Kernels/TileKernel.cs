using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Loire.Engine.Backends.Cpu.Kernels;

/// <summary>A constant that the compiler folds: how many rows, or vectors of columns, a tile has.</summary>
internal interface ICount
{
    static abstract int Value { get; }
}

internal readonly struct One : ICount
{
    public static int Value => 1;
}

internal readonly struct Two : ICount
{
    public static int Value => 2;
}

internal readonly struct Three : ICount
{
    public static int Value => 3;
}

internal readonly struct Four : ICount
{
    public static int Value => 4;
}

internal readonly struct Five : ICount
{
    public static int Value => 5;
}

internal readonly struct Six : ICount
{
    public static int Value => 6;
}

/// <summary>What a panel holds: see <see cref="PackedMatrix"/>.</summary>
internal interface IPanel;

/// <summary>bf16 pairs: a 32-bit word a lane holds the values of depth 2i (low half) and 2i + 1 (high half).</summary>
internal readonly struct BFloat16Pairs : IPanel;

/// <summary>fp32, one row of lanes a depth.</summary>
internal readonly struct Floats : IPanel;

/// <summary>The product that everything runs on: <c>c[r, j] (+)= Σ_k rows[r][k] · panel[k, j]</c> for up to 6 rows and 64 columns.</summary>
/// <remarks>
/// <para>All sums stay in registers: 24 of 32 with six rows. Each sum runs over k in ascending order in one fp32 chain of fused
/// multiply-adds, whatever the number of rows, so a row's bits do not depend on its neighbours.</para>
/// <para>Rows and columns that a tile lacks are folded away by the JIT, one body for all shapes.</para>
/// </remarks>
internal static unsafe class TileKernel
{
    public const int MaxRows = 6;
    public const int Lanes = 16;
    public const int MaxColumns = 64;

    /// <param name="rows">Row r begins at <c>rows[r]</c>: rows may lie anywhere.</param>
    /// <param name="panel">First lane of the first depth.</param>
    /// <param name="stride">Floats from one depth to the next (fp32 panels; bf16 pairs are always 64 words apart).</param>
    /// <param name="depth">Length of the sums. Even for bf16 pairs.</param>
    /// <param name="c">First row of the result.</param>
    /// <param name="ldc">Floats from one row of the result to the next.</param>
    /// <param name="accumulate">Whether sums begin at what c holds.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply<TRows, TColumns, TPanel>(float** rows, void* panel, nint stride, nint depth, float* c, nint ldc, bool accumulate)
        where TRows : struct, ICount
        where TColumns : struct, ICount
        where TPanel : struct, IPanel
    {
        float* a0 = rows[0];
        var a1 = TRows.Value > 1 ? rows[1] : null;
        var a2 = TRows.Value > 2 ? rows[2] : null;
        var a3 = TRows.Value > 3 ? rows[3] : null;
        var a4 = TRows.Value > 4 ? rows[4] : null;
        var a5 = TRows.Value > 5 ? rows[5] : null;
        Vector512<float> c00 = default, c01 = default, c02 = default, c03 = default;
        Vector512<float> c10 = default, c11 = default, c12 = default, c13 = default;
        Vector512<float> c20 = default, c21 = default, c22 = default, c23 = default;
        Vector512<float> c30 = default, c31 = default, c32 = default, c33 = default;
        Vector512<float> c40 = default, c41 = default, c42 = default, c43 = default;
        Vector512<float> c50 = default, c51 = default, c52 = default, c53 = default;
        if (accumulate)
        {
            c00 = Vector512.Load(c);
            if (TColumns.Value > 1) { c01 = Vector512.Load(c + 16); }
            if (TColumns.Value > 2) { c02 = Vector512.Load(c + 32); }
            if (TColumns.Value > 3) { c03 = Vector512.Load(c + 48); }
            if (TRows.Value > 1) { c10 = Vector512.Load(c + ldc); }
            if (TRows.Value > 1 && TColumns.Value > 1) { c11 = Vector512.Load(c + ldc + 16); }
            if (TRows.Value > 1 && TColumns.Value > 2) { c12 = Vector512.Load(c + ldc + 32); }
            if (TRows.Value > 1 && TColumns.Value > 3) { c13 = Vector512.Load(c + ldc + 48); }
            if (TRows.Value > 2) { c20 = Vector512.Load(c + (2 * ldc)); }
            if (TRows.Value > 2 && TColumns.Value > 1) { c21 = Vector512.Load(c + (2 * ldc) + 16); }
            if (TRows.Value > 2 && TColumns.Value > 2) { c22 = Vector512.Load(c + (2 * ldc) + 32); }
            if (TRows.Value > 2 && TColumns.Value > 3) { c23 = Vector512.Load(c + (2 * ldc) + 48); }
            if (TRows.Value > 3) { c30 = Vector512.Load(c + (3 * ldc)); }
            if (TRows.Value > 3 && TColumns.Value > 1) { c31 = Vector512.Load(c + (3 * ldc) + 16); }
            if (TRows.Value > 3 && TColumns.Value > 2) { c32 = Vector512.Load(c + (3 * ldc) + 32); }
            if (TRows.Value > 3 && TColumns.Value > 3) { c33 = Vector512.Load(c + (3 * ldc) + 48); }
            if (TRows.Value > 4) { c40 = Vector512.Load(c + (4 * ldc)); }
            if (TRows.Value > 4 && TColumns.Value > 1) { c41 = Vector512.Load(c + (4 * ldc) + 16); }
            if (TRows.Value > 4 && TColumns.Value > 2) { c42 = Vector512.Load(c + (4 * ldc) + 32); }
            if (TRows.Value > 4 && TColumns.Value > 3) { c43 = Vector512.Load(c + (4 * ldc) + 48); }
            if (TRows.Value > 5) { c50 = Vector512.Load(c + (5 * ldc)); }
            if (TRows.Value > 5 && TColumns.Value > 1) { c51 = Vector512.Load(c + (5 * ldc) + 16); }
            if (TRows.Value > 5 && TColumns.Value > 2) { c52 = Vector512.Load(c + (5 * ldc) + 32); }
            if (TRows.Value > 5 && TColumns.Value > 3) { c53 = Vector512.Load(c + (5 * ldc) + 48); }
        }

        if (typeof(TPanel) == typeof(BFloat16Pairs))
        {
            var high = Vector512.Create(0xFFFF0000u);
            var w = (uint*)panel;
            for (nint k = 0; k < depth; k += 2, w += MaxColumns)
            {
                // The low half becomes fp32 by a shift, the high half by a mask.
                var l0 = (Vector512.Load(w) << 16).AsSingle();
                var l1 = TColumns.Value > 1 ? (Vector512.Load(w + 16) << 16).AsSingle() : default;
                var l2 = TColumns.Value > 2 ? (Vector512.Load(w + 32) << 16).AsSingle() : default;
                var l3 = TColumns.Value > 3 ? (Vector512.Load(w + 48) << 16).AsSingle() : default;
                {
                    var x = Vector512.Create(a0[k]);
                    c00 = Vector512.FusedMultiplyAdd(l0, x, c00);
                    if (TColumns.Value > 1) { c01 = Vector512.FusedMultiplyAdd(l1, x, c01); }
                    if (TColumns.Value > 2) { c02 = Vector512.FusedMultiplyAdd(l2, x, c02); }
                    if (TColumns.Value > 3) { c03 = Vector512.FusedMultiplyAdd(l3, x, c03); }
                }

                if (TRows.Value > 1)
                {
                    var x = Vector512.Create(a1[k]);
                    c10 = Vector512.FusedMultiplyAdd(l0, x, c10);
                    if (TColumns.Value > 1) { c11 = Vector512.FusedMultiplyAdd(l1, x, c11); }
                    if (TColumns.Value > 2) { c12 = Vector512.FusedMultiplyAdd(l2, x, c12); }
                    if (TColumns.Value > 3) { c13 = Vector512.FusedMultiplyAdd(l3, x, c13); }
                }

                if (TRows.Value > 2)
                {
                    var x = Vector512.Create(a2[k]);
                    c20 = Vector512.FusedMultiplyAdd(l0, x, c20);
                    if (TColumns.Value > 1) { c21 = Vector512.FusedMultiplyAdd(l1, x, c21); }
                    if (TColumns.Value > 2) { c22 = Vector512.FusedMultiplyAdd(l2, x, c22); }
                    if (TColumns.Value > 3) { c23 = Vector512.FusedMultiplyAdd(l3, x, c23); }
                }

                if (TRows.Value > 3)
                {
                    var x = Vector512.Create(a3[k]);
                    c30 = Vector512.FusedMultiplyAdd(l0, x, c30);
                    if (TColumns.Value > 1) { c31 = Vector512.FusedMultiplyAdd(l1, x, c31); }
                    if (TColumns.Value > 2) { c32 = Vector512.FusedMultiplyAdd(l2, x, c32); }
                    if (TColumns.Value > 3) { c33 = Vector512.FusedMultiplyAdd(l3, x, c33); }
                }

                if (TRows.Value > 4)
                {
                    var x = Vector512.Create(a4[k]);
                    c40 = Vector512.FusedMultiplyAdd(l0, x, c40);
                    if (TColumns.Value > 1) { c41 = Vector512.FusedMultiplyAdd(l1, x, c41); }
                    if (TColumns.Value > 2) { c42 = Vector512.FusedMultiplyAdd(l2, x, c42); }
                    if (TColumns.Value > 3) { c43 = Vector512.FusedMultiplyAdd(l3, x, c43); }
                }

                if (TRows.Value > 5)
                {
                    var x = Vector512.Create(a5[k]);
                    c50 = Vector512.FusedMultiplyAdd(l0, x, c50);
                    if (TColumns.Value > 1) { c51 = Vector512.FusedMultiplyAdd(l1, x, c51); }
                    if (TColumns.Value > 2) { c52 = Vector512.FusedMultiplyAdd(l2, x, c52); }
                    if (TColumns.Value > 3) { c53 = Vector512.FusedMultiplyAdd(l3, x, c53); }
                }

                var h0 = (Vector512.Load(w) & high).AsSingle();
                var h1 = TColumns.Value > 1 ? (Vector512.Load(w + 16) & high).AsSingle() : default;
                var h2 = TColumns.Value > 2 ? (Vector512.Load(w + 32) & high).AsSingle() : default;
                var h3 = TColumns.Value > 3 ? (Vector512.Load(w + 48) & high).AsSingle() : default;
                {
                    var x = Vector512.Create(a0[k + 1]);
                    c00 = Vector512.FusedMultiplyAdd(h0, x, c00);
                    if (TColumns.Value > 1) { c01 = Vector512.FusedMultiplyAdd(h1, x, c01); }
                    if (TColumns.Value > 2) { c02 = Vector512.FusedMultiplyAdd(h2, x, c02); }
                    if (TColumns.Value > 3) { c03 = Vector512.FusedMultiplyAdd(h3, x, c03); }
                }

                if (TRows.Value > 1)
                {
                    var x = Vector512.Create(a1[k + 1]);
                    c10 = Vector512.FusedMultiplyAdd(h0, x, c10);
                    if (TColumns.Value > 1) { c11 = Vector512.FusedMultiplyAdd(h1, x, c11); }
                    if (TColumns.Value > 2) { c12 = Vector512.FusedMultiplyAdd(h2, x, c12); }
                    if (TColumns.Value > 3) { c13 = Vector512.FusedMultiplyAdd(h3, x, c13); }
                }

                if (TRows.Value > 2)
                {
                    var x = Vector512.Create(a2[k + 1]);
                    c20 = Vector512.FusedMultiplyAdd(h0, x, c20);
                    if (TColumns.Value > 1) { c21 = Vector512.FusedMultiplyAdd(h1, x, c21); }
                    if (TColumns.Value > 2) { c22 = Vector512.FusedMultiplyAdd(h2, x, c22); }
                    if (TColumns.Value > 3) { c23 = Vector512.FusedMultiplyAdd(h3, x, c23); }
                }

                if (TRows.Value > 3)
                {
                    var x = Vector512.Create(a3[k + 1]);
                    c30 = Vector512.FusedMultiplyAdd(h0, x, c30);
                    if (TColumns.Value > 1) { c31 = Vector512.FusedMultiplyAdd(h1, x, c31); }
                    if (TColumns.Value > 2) { c32 = Vector512.FusedMultiplyAdd(h2, x, c32); }
                    if (TColumns.Value > 3) { c33 = Vector512.FusedMultiplyAdd(h3, x, c33); }
                }

                if (TRows.Value > 4)
                {
                    var x = Vector512.Create(a4[k + 1]);
                    c40 = Vector512.FusedMultiplyAdd(h0, x, c40);
                    if (TColumns.Value > 1) { c41 = Vector512.FusedMultiplyAdd(h1, x, c41); }
                    if (TColumns.Value > 2) { c42 = Vector512.FusedMultiplyAdd(h2, x, c42); }
                    if (TColumns.Value > 3) { c43 = Vector512.FusedMultiplyAdd(h3, x, c43); }
                }

                if (TRows.Value > 5)
                {
                    var x = Vector512.Create(a5[k + 1]);
                    c50 = Vector512.FusedMultiplyAdd(h0, x, c50);
                    if (TColumns.Value > 1) { c51 = Vector512.FusedMultiplyAdd(h1, x, c51); }
                    if (TColumns.Value > 2) { c52 = Vector512.FusedMultiplyAdd(h2, x, c52); }
                    if (TColumns.Value > 3) { c53 = Vector512.FusedMultiplyAdd(h3, x, c53); }
                }
            }
        }
        else
        {
            var b = (float*)panel;
            for (nint k = 0; k < depth; k++, b += stride)
            {
                var w0 = Vector512.Load(b);
                var w1 = TColumns.Value > 1 ? Vector512.Load(b + 16) : default;
                var w2 = TColumns.Value > 2 ? Vector512.Load(b + 32) : default;
                var w3 = TColumns.Value > 3 ? Vector512.Load(b + 48) : default;
                {
                    var x = Vector512.Create(a0[k]);
                    c00 = Vector512.FusedMultiplyAdd(w0, x, c00);
                    if (TColumns.Value > 1) { c01 = Vector512.FusedMultiplyAdd(w1, x, c01); }
                    if (TColumns.Value > 2) { c02 = Vector512.FusedMultiplyAdd(w2, x, c02); }
                    if (TColumns.Value > 3) { c03 = Vector512.FusedMultiplyAdd(w3, x, c03); }
                }

                if (TRows.Value > 1)
                {
                    var x = Vector512.Create(a1[k]);
                    c10 = Vector512.FusedMultiplyAdd(w0, x, c10);
                    if (TColumns.Value > 1) { c11 = Vector512.FusedMultiplyAdd(w1, x, c11); }
                    if (TColumns.Value > 2) { c12 = Vector512.FusedMultiplyAdd(w2, x, c12); }
                    if (TColumns.Value > 3) { c13 = Vector512.FusedMultiplyAdd(w3, x, c13); }
                }

                if (TRows.Value > 2)
                {
                    var x = Vector512.Create(a2[k]);
                    c20 = Vector512.FusedMultiplyAdd(w0, x, c20);
                    if (TColumns.Value > 1) { c21 = Vector512.FusedMultiplyAdd(w1, x, c21); }
                    if (TColumns.Value > 2) { c22 = Vector512.FusedMultiplyAdd(w2, x, c22); }
                    if (TColumns.Value > 3) { c23 = Vector512.FusedMultiplyAdd(w3, x, c23); }
                }

                if (TRows.Value > 3)
                {
                    var x = Vector512.Create(a3[k]);
                    c30 = Vector512.FusedMultiplyAdd(w0, x, c30);
                    if (TColumns.Value > 1) { c31 = Vector512.FusedMultiplyAdd(w1, x, c31); }
                    if (TColumns.Value > 2) { c32 = Vector512.FusedMultiplyAdd(w2, x, c32); }
                    if (TColumns.Value > 3) { c33 = Vector512.FusedMultiplyAdd(w3, x, c33); }
                }

                if (TRows.Value > 4)
                {
                    var x = Vector512.Create(a4[k]);
                    c40 = Vector512.FusedMultiplyAdd(w0, x, c40);
                    if (TColumns.Value > 1) { c41 = Vector512.FusedMultiplyAdd(w1, x, c41); }
                    if (TColumns.Value > 2) { c42 = Vector512.FusedMultiplyAdd(w2, x, c42); }
                    if (TColumns.Value > 3) { c43 = Vector512.FusedMultiplyAdd(w3, x, c43); }
                }

                if (TRows.Value > 5)
                {
                    var x = Vector512.Create(a5[k]);
                    c50 = Vector512.FusedMultiplyAdd(w0, x, c50);
                    if (TColumns.Value > 1) { c51 = Vector512.FusedMultiplyAdd(w1, x, c51); }
                    if (TColumns.Value > 2) { c52 = Vector512.FusedMultiplyAdd(w2, x, c52); }
                    if (TColumns.Value > 3) { c53 = Vector512.FusedMultiplyAdd(w3, x, c53); }
                }
            }
        }

        c00.Store(c);
        if (TColumns.Value > 1) { c01.Store(c + 16); }
        if (TColumns.Value > 2) { c02.Store(c + 32); }
        if (TColumns.Value > 3) { c03.Store(c + 48); }
        if (TRows.Value > 1) { c10.Store(c + ldc); }
        if (TRows.Value > 1 && TColumns.Value > 1) { c11.Store(c + ldc + 16); }
        if (TRows.Value > 1 && TColumns.Value > 2) { c12.Store(c + ldc + 32); }
        if (TRows.Value > 1 && TColumns.Value > 3) { c13.Store(c + ldc + 48); }
        if (TRows.Value > 2) { c20.Store(c + (2 * ldc)); }
        if (TRows.Value > 2 && TColumns.Value > 1) { c21.Store(c + (2 * ldc) + 16); }
        if (TRows.Value > 2 && TColumns.Value > 2) { c22.Store(c + (2 * ldc) + 32); }
        if (TRows.Value > 2 && TColumns.Value > 3) { c23.Store(c + (2 * ldc) + 48); }
        if (TRows.Value > 3) { c30.Store(c + (3 * ldc)); }
        if (TRows.Value > 3 && TColumns.Value > 1) { c31.Store(c + (3 * ldc) + 16); }
        if (TRows.Value > 3 && TColumns.Value > 2) { c32.Store(c + (3 * ldc) + 32); }
        if (TRows.Value > 3 && TColumns.Value > 3) { c33.Store(c + (3 * ldc) + 48); }
        if (TRows.Value > 4) { c40.Store(c + (4 * ldc)); }
        if (TRows.Value > 4 && TColumns.Value > 1) { c41.Store(c + (4 * ldc) + 16); }
        if (TRows.Value > 4 && TColumns.Value > 2) { c42.Store(c + (4 * ldc) + 32); }
        if (TRows.Value > 4 && TColumns.Value > 3) { c43.Store(c + (4 * ldc) + 48); }
        if (TRows.Value > 5) { c50.Store(c + (5 * ldc)); }
        if (TRows.Value > 5 && TColumns.Value > 1) { c51.Store(c + (5 * ldc) + 16); }
        if (TRows.Value > 5 && TColumns.Value > 2) { c52.Store(c + (5 * ldc) + 32); }
        if (TRows.Value > 5 && TColumns.Value > 3) { c53.Store(c + (5 * ldc) + 48); }
    }
}
