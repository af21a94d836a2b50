using System.Runtime.InteropServices;

namespace Loire.Kernels.Tests;

public sealed class RowChoiceTests
{
    [Fact]
    public void A_draw_is_twelve_words_as_the_device_reads_them()
    {
        RowChoice[] choices = [RowChoice.Draw(2.5f, 40, 0.9f, 0.05f, 0.7, [3, 4])];

        var words = MemoryMarshal.Cast<RowChoice, int>(choices);

        Assert.Equal(RowChoice.Length, words.Length);
        Assert.Equal([2, 40], words[..2]);
        Assert.Equal([2.5f, 0.9f, 0.05f], MemoryMarshal.Cast<int, float>(words[2..5]));
        Assert.Equal(0.7, BitConverter.UInt64BitsToDouble(((ulong)(uint)words[6] << 32) | (uint)words[5]));
        Assert.Equal([3, 4, -1, -1, -1], words[7..]);
    }

    [Fact]
    public void The_default_leaves_the_row_to_the_host() => Assert.Equal(ChoiceKind.None, default(RowChoice).Kind);

    [Fact]
    public void More_ends_than_there_is_room_for_are_an_error()
    {
        Assert.Equal(5, RowChoice.Best([1, 2, 3, 4, 5]).End4);
        Assert.Throws<ArgumentException>(() => RowChoice.Best([1, 2, 3, 4, 5, 6]));
    }
}
