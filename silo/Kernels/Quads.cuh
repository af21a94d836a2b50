// Four elements at a time, where rows are a multiple of four long and begin at a multiple of 16 bytes.
#ifndef LOIRE_QUADS
#define LOIRE_QUADS

#include "Common.cuh"

LOIRE_DEVICE float4 load4(const float* address) { return *reinterpret_cast<const float4*>(address); }

LOIRE_DEVICE float4 load4(const bf16* address)
{
    const uint2 packed = *reinterpret_cast<const uint2*>(address);
    return make_float4(lowFloat(packed.x), highFloat(packed.x), lowFloat(packed.y), highFloat(packed.y));
}

LOIRE_DEVICE void store4(float* address, const float4& v) { *reinterpret_cast<float4*>(address) = v; }
LOIRE_DEVICE void store4(bf16* address, const float4& v) { *reinterpret_cast<uint2*>(address) = make_uint2(packBf16(v.x, v.y), packBf16(v.z, v.w)); }

LOIRE_DEVICE float4 scaled(const float4& v, float by) { return make_float4(v.x * by, v.y * by, v.z * by, v.w * by); }
LOIRE_DEVICE float4 added(const float4& v, float by, const float4& to) { return make_float4(fmaf(v.x, by, to.x), fmaf(v.y, by, to.y), fmaf(v.z, by, to.z), fmaf(v.w, by, to.w)); }

#endif
