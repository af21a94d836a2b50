using System.Collections.Immutable;
using System.Net;
using Loire.Actors.Serialization;
using Orleans;
using Orleans.Runtime;

namespace Loire.Actors.Tests;

[GenerateSerializer, Alias("test.shape")]
public abstract record Shape([property: Id(0)] string Name);

[GenerateSerializer, Alias("test.square")]
public sealed record Square(string Name, [property: Id(0)] double Side) : Shape(Name);

[GenerateSerializer, Alias("test.group")]
public sealed record Group(string Name, [property: Id(0)] ImmutableArray<Shape> Parts) : Shape(Name);

[GenerateSerializer, Alias("test.person.v1")]
public sealed class PersonV1
{
    [Id(0)]
    public string Name { get; set; } = "";
}

[GenerateSerializer, Alias("test.person.v2")]
public sealed class PersonV2
{
    [Id(2)]
    public Dictionary<string, long>? Scores { get; set; }

    [Id(0)]
    public string Name { get; set; } = "";

    [Id(1)]
    public required int? Age { get; init; }

    [Id(7)]
    public List<PersonV2>? Children { get; set; }

    [Id(8)]
    public float Weight { get; set; }
}

[GenerateSerializer, Alias("test.box")]
public sealed class Box<T>
{
    [Id(0)]
    public T? Value { get; set; }
}

public enum Colour
{
    Red = -3,
    Blue = 70_000,
}

public sealed class CodecTests
{
    [Fact]
    public void Simple_values_come_back_as_they_were()
    {
        Same(true);
        Same(int.MinValue);
        Same(ulong.MaxValue);
        Same((sbyte)-5);
        Same('é');
        Same(float.NaN);
        Same(-0.0);
        Same(12345678901234567890.12m);
        Same("naïve 👍");
        Same("");
        Same(Guid.Parse("0f8fad5b-d9cb-469f-a165-70867728950e"));
        Same(TimeSpan.FromTicks(-1));
        Same(new DateTime(2026, 2, 3, 4, 5, 6, DateTimeKind.Utc));
        Same(new DateTimeOffset(2026, 2, 3, 4, 5, 6, TimeSpan.FromHours(-7)));
        Same(new Uri("https://loire.example/a?b=c"));
        Same(IPAddress.IPv6Loopback);
        Same(Colour.Blue);
        Same(Colour.Red);
        Same<int?>(null);
        Same<int?>(7);
        Same((1, "two", 3.0));
        Same(GrainId.Create("session", "a/b"));
        Same(SiloAddress.New(IPAddress.Loopback, 1, 2));
    }

    [Fact]
    public void Collections_come_back_with_their_items()
    {
        Assert.Equal([1, 2, 3], Back(new[] { 1, 2, 3 }));
        Assert.Equal([null, "a"], Back(new List<string?> { null, "a" }));
        Assert.Equal([1, 2], Back<IReadOnlyList<int>>([1, 2]));
        Assert.Equal(2, Back(new Dictionary<string, int> { ["a"] = 2 })["a"]);
        Assert.Equal([5], Back(ImmutableArray.Create(5)).ToArray());
        Assert.Equal([5], Back(new HashSet<int> { 5 }).ToArray());
        Assert.Equal([1, 2], Back(new byte[] { 1, 2 }));
        Assert.Equal("x", Back(new Box<List<string>> { Value = ["x"] }).Value![0]);
    }

    [Fact]
    public void A_value_comes_back_as_the_type_it_is()
    {
        Shape shape = new Group("both", [new Square("a", 1.5), new Group("empty", [])]);

        var back = Assert.IsType<Group>(Back(shape));
        var copy = Assert.IsType<Group>(CopyOf.Value(shape));

        Assert.Equal(new Square("a", 1.5), back.Parts[0]);
        Assert.Equal("empty", Assert.IsType<Group>(copy.Parts[1]).Name);
        Assert.NotSame(((Group)shape).Parts[0], copy.Parts[0]);
    }

    [Fact]
    public void An_old_reader_skips_what_it_does_not_know_and_a_new_one_does_without()
    {
        var person = new PersonV2 { Name = "Greta", Age = 40, Scores = new() { ["go"] = 9 }, Children = [new PersonV2 { Name = "Ida", Age = null }], Weight = 1.5f };

        Assert.Equal("Greta", Codecs.Get<PersonV1>().FromBytes(Codecs.Get<PersonV2>().ToBytes(person), null!)!.Name);

        var newer = Codecs.Get<PersonV2>().FromBytes(Codecs.Get<PersonV1>().ToBytes(new PersonV1 { Name = "Otto" }), null!)!;
        Assert.Equal("Otto", newer.Name);
        Assert.Null(newer.Age);
        var back = Back(person);
        Assert.Equal("Ida", back.Children![0].Name);
        Assert.Equal(9, back.Scores!["go"]);
        Assert.Equal(1.5f, back.Weight);
    }

    [Fact]
    public void A_type_without_a_codec_is_named()
    {
        var exception = Assert.Throws<OrleansException>(() => Codecs.Get<System.Text.StringBuilder>());

        Assert.Contains("System.Text.StringBuilder", exception.Message);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Damaged_bytes_are_refused_and_allocate_no_more_than_they_are_worth(int seed)
    {
        var random = new Random(seed);
        var person = new PersonV2 { Name = "Greta", Age = 40, Scores = new() { ["go"] = 9 }, Children = [new PersonV2 { Name = "Ida", Age = 3 }] };
        var bytes = Codecs.Get<PersonV2>().ToBytes(person);
        for (var round = 0; round < 5_000; round++)
        {
            var damaged = bytes.ToArray();
            for (var flips = random.Next(1, 4); flips > 0; flips--)
            {
                damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            }

            var cut = damaged.AsMemory(0, random.Next(1, damaged.Length + 1));
            var before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                Codecs.Get<PersonV2>().FromBytes(cut, null!);
            }
            catch (OrleansException)
            {
                // The damage was noticed.
            }
            catch (ArgumentException)
            {
                // Two entries of a dictionary have become one.
            }

            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 20_000);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Random_trees_are_the_same_after_a_copy_and_after_the_wire(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 200; round++)
        {
            var tree = RandomTree(random, depth: 4);

            AssertSame(tree, CopyOf.Value(tree));
            AssertSame(tree, Back(tree));
        }
    }

    private static Tree RandomTree(Random random, int depth)
    {
        var tree = new Tree { Name = new string((char)random.Next(32, 0x2000), random.Next(200)) };
        for (var child = depth == 0 ? 0 : random.Next(4); child > 0; child--)
        {
            tree.Children.Add(RandomTree(random, depth - 1));
        }

        for (var entry = random.Next(4); entry > 0; entry--)
        {
            tree.Numbers[$"{random.Next()}"] = [.. Enumerable.Range(0, random.Next(5)).Select(_ => random.Next(int.MinValue, int.MaxValue))];
        }

        return tree;
    }

    private static void AssertSame(Tree expected, Tree found)
    {
        Assert.NotSame(expected, found);
        Assert.Equal(expected.Name, found.Name);
        Assert.Equal(expected.Numbers.OrderBy(entry => entry.Key), found.Numbers.OrderBy(entry => entry.Key));
        Assert.Equal(expected.Children.Count, found.Children.Count);
        foreach (var (left, right) in expected.Children.Zip(found.Children))
        {
            AssertSame(left, right);
        }
    }

    private static void Same<T>(T value) => Assert.Equal(value, Back(value));

    private static T Back<T>(T value) => Codecs.Get<T>().FromBytes(Codecs.Get<T>().ToBytes(value), null!)!;
}
