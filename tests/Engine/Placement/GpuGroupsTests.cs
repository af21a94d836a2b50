using System.Collections.Immutable;
using Loire.Engine.Placement;

namespace Loire.Engine.Tests.Placement;

public sealed class GpuGroupsTests
{
    [Theory]
    [InlineData("0", new[] { 1 })]
    [InlineData("7", new[] { 1 })]
    [InlineData("0+1", new[] { 2 })]
    [InlineData("0,1", new[] { 1, 1 })]
    [InlineData("0+1,2+3", new[] { 2, 2 })]
    [InlineData("3+1,0,7+2+5", new[] { 2, 1, 3 })]
    public void What_a_person_writes_is_read_and_written_the_same(string text, int[] sizes)
    {
        Assert.True(GpuGroups.TryParse(text, out var groups, out var error), error);

        Assert.Equal(sizes, groups.Stages.Select(group => group.Length));
        Assert.Equal(text, groups.ToString());
        Assert.Equal(text.Split('+', ',').Select(int.Parse), groups.Devices);
    }

    [Theory]
    [InlineData("", "has nothing where")]
    [InlineData("0,", "has nothing where")]
    [InlineData("+0", "has nothing where")]
    [InlineData("0+,1", "has nothing where")]
    [InlineData("0 + 1", "has '0 '")]
    [InlineData("-1", "has '-1'")]
    [InlineData("0x1", "has '0x1'")]
    [InlineData("99999999999", "has '99999999999'")]
    [InlineData("0+1,1", "GPU 1 is named twice")]
    [InlineData("2+2", "GPU 2 is named twice")]
    [InlineData("0,00", "GPU 0 is named twice")]
    public void Anything_else_is_refused_by_what_was_found(string text, string expected)
    {
        Assert.False(GpuGroups.TryParse(text, out var groups, out var error));

        Assert.Null(groups);
        Assert.Contains(expected, error);
        Assert.Contains($"'{text}'", error);
        Assert.Contains("Write 0 for one GPU", error);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Any_groups_come_back_from_their_text(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 500; round++)
        {
            var devices = Enumerable.Range(0, random.Next(1, 17)).ToArray();
            random.Shuffle(devices);
            var stages = ImmutableArray.CreateBuilder<ImmutableArray<int>>();
            for (var first = 0; first < devices.Length;)
            {
                var end = random.Next(first + 1, devices.Length + 1);
                stages.Add([.. devices[first..end]]);
                first = end;
            }

            var groups = new GpuGroups(stages.ToImmutable());

            Assert.True(GpuGroups.TryParse(groups.ToString(), out var again, out _));
            Assert.Equal(groups, again);
            Assert.Equal(groups.GetHashCode(), again.GetHashCode());
            Assert.NotEqual(groups, new GpuGroups(stages.ToImmutable().Add([99])));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Junk_is_refused_with_a_word_and_never_throws(int seed)
    {
        const string Letters = "0123456789,,,+++ -x.\0\u0660\uD800:";
        var random = new Random(seed);
        for (var round = 0; round < 20_000; round++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(12)).Select(_ => Letters[random.Next(Letters.Length)]));

            if (GpuGroups.TryParse(text, out var groups, out var error))
            {
                Assert.Null(error);
                Assert.True(GpuGroups.TryParse(groups.ToString(), out var again, out _));
                Assert.Equal(groups, again);
                Assert.DoesNotContain(groups.Stages, group => group.IsEmpty);
                Assert.Equal(groups.Devices.Count(), groups.Devices.Distinct().Count());
            }
            else
            {
                Assert.NotEmpty(error);
            }
        }
    }

    [Fact]
    public void Groups_that_cannot_be_are_refused_when_they_are_made()
    {
        Assert.Contains("no GPU", Assert.Throws<ArgumentException>(() => new GpuGroups([])).Message);
        Assert.Contains("no GPU", Assert.Throws<ArgumentException>(() => new GpuGroups([[0], []])).Message);
        Assert.Contains("twice", Assert.Throws<ArgumentException>(() => new GpuGroups([[0], [1, 0]])).Message);
        Assert.Contains("-1", Assert.Throws<ArgumentException>(() => new GpuGroups([[-1]])).Message);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(8, 3)]
    [InlineData(320, 7)]
    [InlineData(3, 8)]
    [InlineData(int.MaxValue, 16)]
    public void Shares_cover_everything_once_and_differ_by_one_at_most(int total, int count)
    {
        var next = 0;
        for (var i = 0; i < count; i++)
        {
            var share = new GpuShare(i, count);
            var (first, end) = share.Of(total);
            Assert.Equal(next, first);
            Assert.InRange(share.LengthOf(total), total / count, (total / count) + 1);
            Assert.InRange(share.LengthOf(total), 0, GpuShare.LargestOf(count).LengthOf(total));
            next = end;
        }

        Assert.Equal(total, next);
    }
}
