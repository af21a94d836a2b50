using Loire.Engine.Backends;
using Loire.Engine.Backends.Cuda;

namespace Loire.Engine.Tests.Backends;

/// <summary>Which captured graph a step runs as.</summary>
public sealed class StepFormTests
{
    [Theory]
    [InlineData(1, 256, 1)]
    [InlineData(3, 256, 4)]
    [InlineData(64, 256, 64)]
    [InlineData(65, 256, 128)]
    [InlineData(200, 256, 256)]
    [InlineData(100, 100, 100)] // never more than there is room for
    [InlineData(3, 3, 3)]
    public void A_batch_is_padded_to_a_bucket(int sequences, int most, int bucket) => Assert.Equal(bucket, StepForm.BucketOf(sequences, most));

    [Fact]
    public void Every_batch_fits_its_bucket_and_few_buckets_do_for_all()
    {
        var buckets = Enumerable.Range(1, 256).Select(count => StepForm.BucketOf(count, 256)).ToArray();

        Assert.All(buckets.Select((bucket, i) => (bucket, count: i + 1)), pair => Assert.True(pair.bucket >= pair.count));
        Assert.Equal([1, 2, 4, 8, 16, 32, 64, 128, 192, 256], buckets.Distinct());
    }

    [Fact]
    public void Single_rows_whose_logits_are_wanted_are_a_decode_step()
    {
        var batch = new StepBatch(8, 8, 8);
        batch.Add(slot: 0, [0], start: 5, [1], LogitsWanted.Last);
        batch.Add(slot: 1, [1, 2], start: 64, [1], LogitsWanted.Last);
        batch.Add(slot: 2, [3], start: 0, [1], LogitsWanted.Last);

        Assert.Equal(new StepForm(Rows: 4, Sequences: 4, LogitsRows: 4, PageStride: 16, IsDecode: true, HasCandidates: false), StepForm.Of(batch, 8));
    }

    [Fact]
    public void A_piece_of_a_prompt_beside_them_is_not_padded()
    {
        var batch = new StepBatch(100, 8, 8);
        batch.Add(slot: 0, [0], start: 5, [1], LogitsWanted.Last);
        batch.Add(slot: 1, [.. Enumerable.Range(1, 18)], start: 1090, new int[7], LogitsWanted.None);
        batch.NeedsCandidates = true;

        Assert.Equal(new StepForm(Rows: 8, Sequences: 2, LogitsRows: 1, PageStride: 32, IsDecode: false, HasCandidates: true), StepForm.Of(batch, 8));
    }

    [Fact]
    public void A_step_without_logits_has_no_candidates()
    {
        var batch = new StepBatch(100, 8, 8) { NeedsCandidates = true };
        batch.Add(slot: 0, [0], start: 0, new int[7], LogitsWanted.None);

        Assert.False(StepForm.Of(batch, 8).HasCandidates);
    }
}
