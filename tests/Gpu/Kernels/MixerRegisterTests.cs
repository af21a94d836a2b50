using Loire.Kernels;

namespace Loire.Gpu.Tests.Kernels;

public sealed class MixerRegisterTests(Gpu gpu) : IClassFixture<Gpu>
{
    [GpuFact]
    public void Fast_kernels_keep_what_they_hold_in_registers()
    {
        List<string> spilled = [];
        Look<LightningState.Parameters>("LightningState", ["lightning_decode_64", "lightning_decode_128", "lightning_decode_128_halves"], spilled);
        Look<LightningChunks.Parameters>("LightningChunks", ["lightning_chunks_64", "lightning_chunks_128"], spilled);
        Look<GatedNorm.Parameters>("GatedNorm", ["gated_norm_wide", "gated_norm_wide_float"], spilled);
        Look<AttentionDecode.Parameters>("AttentionDecode", ["attention_decode_64", "attention_decode_128"], spilled);
        Look<AttentionPrefill.Parameters>("AttentionPrefill", ["attention_prefill_64", "attention_prefill_128"], spilled);

        Assert.True(spilled.Count == 0, string.Join("; ", spilled));
    }

    private void Look<T>(string source, string[] kernels, List<string> spilled)
        where T : unmanaged
    {
        foreach (var kernel in kernels)
        {
            var function = gpu.Module(source, ElementType.BFloat16).Function<T>(kernel);
            if (function.SpillBytes > 0)
            {
                spilled.Add($"{kernel} has {function.Registers} registers and {function.SpillBytes} bytes of local memory a thread");
            }
        }
    }
}
