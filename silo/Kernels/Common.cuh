// What every kernel of the engine shares: number types, loads, reductions, and all inline PTX.
//
// No CUDA header is included, as the run-time compiler has none beside it. Everything that is not plain C++ for one thread
// is a function here, and LOIRE_EMULATED leaves those undefined, for a build that runs the same kernels on a CPU.
//
// A source is compiled once for each element type: LOIRE_T_BF16 or LOIRE_T_F32 says what T, the type of weights and
// activations, is. Sums are float throughout.
#ifndef LOIRE_COMMON
#define LOIRE_COMMON

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

// A brain float: the upper 16 bits of a float.
struct __align__(2) bf16 { u16 bits; };

#if defined(LOIRE_T_BF16)
typedef bf16 T;
#elif defined(LOIRE_T_F32)
typedef float T;
#endif

#define LOIRE_DEVICE __device__ __forceinline__
#define LOIRE_KERNEL extern "C" __global__

static constexpr int kWarp = 32;
static constexpr u32 kAllLanes = 0xffffffffu;

// ---- Inline PTX -------------------------------------------------------------------------------------------------------

#ifdef LOIRE_EMULATED

u16 roundToBf16(float value);                       // nearest even; NaN stays NaN
u32 packBf16(float low, float high);                // two of them, low in the lower half
uint4 loadStreaming(const void* address);           // 16 bytes that nobody reads again soon; 16-byte aligned
float4 loadOnce(const float* address);              // the same, of memory that this kernel may write
void storeOnce(float* address, float4 value);
void mmaBf16(float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]);
void mmaBf16First(float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]);
void loadMatrix4(u32 (&r)[4], const void* shared);
void loadMatrix4Transposed(u32 (&r)[4], const void* shared);
void loadMatrix2(u32 (&r)[2], const void* shared);
void loadMatrix2Transposed(u32 (&r)[2], const void* shared);
void copyAsync4(void* shared, const void* global);
void copyAsync16(void* shared, const void* global);
void copyAsync16Or0(void* shared, const void* global, bool isWanted);
void copyAsyncCommit();
template <int Pending> void copyAsyncWait();
void launchDependents();
void waitForPrimary();
float exp2Fast(float x);
float expFast(float x);
unsigned char* dynamicShared();                     // of the block, as long as the launch asks for

#else

extern __shared__ __align__(128) unsigned char loireShared[];

// The block's dynamic shared memory, as long as the launch asks for.
LOIRE_DEVICE unsigned char* dynamicShared() { return loireShared; }

// Nearest even; NaN stays NaN.
LOIRE_DEVICE u16 roundToBf16(float value)
{
    u16 bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}

// Two of them, low in the lower half.
LOIRE_DEVICE u32 packBf16(float low, float high)
{
    u32 bits;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
    return bits;
}

// 16 bytes that nobody reads again soon and nobody writes while the kernel runs; 16-byte aligned.
LOIRE_DEVICE uint4 loadStreaming(const void* address)
{
    uint4 v;
    asm volatile("ld.global.nc.L1::no_allocate.L2::256B.v4.u32 {%0, %1, %2, %3}, [%4];"
        : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(address));
    return v;
}

// The same, of memory that this kernel may write.
LOIRE_DEVICE float4 loadOnce(const float* address)
{
    float4 v;
    asm volatile("ld.global.cs.v4.f32 {%0, %1, %2, %3}, [%4];" : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w) : "l"(address));
    return v;
}

LOIRE_DEVICE void storeOnce(float* address, float4 value)
{
    asm volatile("st.global.cs.v4.f32 [%0], {%1, %2, %3, %4};"
        : : "l"(address), "f"(value.x), "f"(value.y), "f"(value.z), "f"(value.w) : "memory");
}

LOIRE_DEVICE u32 sharedAddress(const void* pointer) { return static_cast<u32>(__cvta_generic_to_shared(pointer)); }

// c[16, 8] += a[16, 16] * b[16, 8]. With g = lane / 4 and t = lane % 4, a pair being k, k + 1:
// a = (row g, k 2t) (row g + 8, k 2t) (row g, k 2t + 8) (row g + 8, k 2t + 8); b = (k 2t, column g) (k 2t + 8, column g);
// c = (row g, columns 2t, 2t + 1) (row g + 8, columns 2t, 2t + 1).
LOIRE_DEVICE void mmaBf16(float (&c)[4], const u32 (&a)[4], const u32 (&b)[2])
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// The same with zeros for what c was.
LOIRE_DEVICE void mmaBf16First(float (&c)[4], const u32 (&a)[4], const u32 (&b)[2])
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %10, %10, %10};"
        : "=f"(c[0]), "=f"(c[1]), "=f"(c[2]), "=f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(0.0f));
}

// Four 8x8 matrices of 16-bit elements; lanes 8i .. 8i + 7 give the addresses of the rows of matrix i, 16 bytes each.
LOIRE_DEVICE void loadMatrix4(u32 (&r)[4], const void* shared)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
        : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(sharedAddress(shared)) : "memory");
}

LOIRE_DEVICE void loadMatrix4Transposed(u32 (&r)[4], const void* shared)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
        : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(sharedAddress(shared)) : "memory");
}

// Two of them; the addresses of lanes 16 .. 31 are not used, but have to be valid.
LOIRE_DEVICE void loadMatrix2(u32 (&r)[2], const void* shared)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
        : "=r"(r[0]), "=r"(r[1]) : "r"(sharedAddress(shared)) : "memory");
}

LOIRE_DEVICE void loadMatrix2Transposed(u32 (&r)[2], const void* shared)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
        : "=r"(r[0]), "=r"(r[1]) : "r"(sharedAddress(shared)) : "memory");
}

// 4 bytes from global to shared memory; both 4-byte aligned.
LOIRE_DEVICE void copyAsync4(void* shared, const void* global)
{
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" : : "r"(sharedAddress(shared)), "l"(global) : "memory");
}

// 16 bytes from global to shared memory, past the registers and the first cache; both 16-byte aligned.
LOIRE_DEVICE void copyAsync16(void* shared, const void* global)
{
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16;" : : "r"(sharedAddress(shared)), "l"(global) : "memory");
}

// The same, or 16 zero bytes; the global address has to be a valid one even if it is not wanted.
LOIRE_DEVICE void copyAsync16Or0(void* shared, const void* global, bool isWanted)
{
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;"
        : : "r"(sharedAddress(shared)), "l"(global), "r"(isWanted ? 16 : 0) : "memory");
}

LOIRE_DEVICE void copyAsyncCommit() { asm volatile("cp.async.commit_group;" : : : "memory"); }

// Waits until at most so many of this thread's committed groups are under way.
template <int Pending>
LOIRE_DEVICE void copyAsyncWait()
{
    asm volatile("cp.async.wait_group %0;" : : "n"(Pending) : "memory");
}

// Programmatic dependent launch: the next kernel may start, and this one may read what the previous one wrote.
// Both do nothing where the kernel was not launched so.
LOIRE_DEVICE void launchDependents()
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" : : : "memory");
#endif
}

LOIRE_DEVICE void waitForPrimary()
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" : : : "memory");
#endif
}

// To about 2 ulp; 0 below -126.
LOIRE_DEVICE float exp2Fast(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

LOIRE_DEVICE float expFast(float x) { return exp2Fast(x * 1.4426950408889634f); }

#endif

// As copyAsync16Or0, for what is read once and on: the cache fetches 256 bytes at a time.
LOIRE_DEVICE void copyAsync16Or0Ahead(void* shared, const void* global, bool isWanted)
{
#ifdef LOIRE_EMULATED
    copyAsync16Or0(shared, global, isWanted);
#else
    asm volatile("cp.async.cg.shared.global.L2::256B [%0], [%1], 16, %2;"
        : : "r"(sharedAddress(shared)), "l"(global), "r"(isWanted ? 16 : 0) : "memory");
#endif
}

// ---- Memory that other blocks write --------------------------------------------------------------------------------

// 16 bytes that another block of the same launch may have written: from the cache that all multiprocessors share.
LOIRE_DEVICE float4 loadShared4(const float4* address)
{
#ifdef LOIRE_EMULATED
    return *address;
#else
    float4 v;
    asm volatile("ld.global.cg.v4.f32 {%0, %1, %2, %3}, [%4];" : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w) : "l"(address) : "memory");
    return v;
#endif
}

LOIRE_DEVICE float loadShared(const float* address)
{
#ifdef LOIRE_EMULATED
    return *address;
#else
    float v;
    asm volatile("ld.global.cg.f32 %0, [%1];" : "=f"(v) : "l"(address) : "memory");
    return v;
#endif
}

// ---- Numbers ----------------------------------------------------------------------------------------------------------

LOIRE_DEVICE float infinity() { return __int_as_float(0x7f800000); }

LOIRE_DEVICE float toFloat(float value) { return value; }
LOIRE_DEVICE float toFloat(bf16 value) { return __int_as_float(static_cast<int>(static_cast<u32>(value.bits) << 16)); }

// The lower and the upper one of two brain floats in a word.
LOIRE_DEVICE float lowFloat(u32 pair) { return __int_as_float(static_cast<int>(pair << 16)); }
LOIRE_DEVICE float highFloat(u32 pair) { return __int_as_float(static_cast<int>(pair & 0xffff0000u)); }

LOIRE_DEVICE void store(float* address, float value) { *address = value; }

LOIRE_DEVICE void store(bf16* address, float value)
{
    bf16 rounded;
    rounded.bits = roundToBf16(value);
    *address = rounded;
}

// value as the element type keeps it.
template <typename Element>
LOIRE_DEVICE float rounded(float value)
{
    Element element;
    store(&element, value);
    return toFloat(element);
}

// Eight brain floats, as one 16-byte load brings them.
LOIRE_DEVICE void unpack8(const uint4& packed, float (&values)[8])
{
    values[0] = lowFloat(packed.x);
    values[1] = highFloat(packed.x);
    values[2] = lowFloat(packed.y);
    values[3] = highFloat(packed.y);
    values[4] = lowFloat(packed.z);
    values[5] = highFloat(packed.z);
    values[6] = lowFloat(packed.w);
    values[7] = highFloat(packed.w);
}

LOIRE_DEVICE float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
LOIRE_DEVICE float silu(float x) { return x / (1.0f + expf(-x)); }

// ---- Reductions, in a fixed order -------------------------------------------------------------------------------------

LOIRE_DEVICE float warpSum(float value)
{
#pragma unroll
    for (int distance = kWarp / 2; distance > 0; distance /= 2)
    {
        value += __shfl_xor_sync(kAllLanes, value, distance);
    }

    return value;
}

LOIRE_DEVICE float warpMax(float value)
{
#pragma unroll
    for (int distance = kWarp / 2; distance > 0; distance /= 2)
    {
        value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, distance));
    }

    return value;
}

// Over all threads of the block, which are whole warps, 1024 at most; every thread gets the sum. scratch: 32 floats in shared memory, free again
// after the block's next barrier.
LOIRE_DEVICE float blockSum(float value, float* scratch)
{
    const int lane = threadIdx.x % kWarp;
    const int warp = threadIdx.x / kWarp;
    const int warps = blockDim.x / kWarp;
    value = warpSum(value);
    if (lane == 0)
    {
        scratch[warp] = value;
    }

    __syncthreads();
    return warpSum(lane < warps ? scratch[lane] : 0.0f);
}

#endif
