// Matrix products of a warpgroup: four warps, operands in shared memory, sums in registers. Compute capability 9.0 only.
//
// Operands are rows of 64 brain floats, 128 bytes, that begin at a multiple of 1024 bytes. Piece p, of 16 bytes, of row r lies
// in place p ^ (r % 8): what the unit calls the 128-byte swizzle.
#ifndef LOIRE_HOPPER
#define LOIRE_HOPPER
#include "Common.cuh"

#ifdef LOIRE_EMULATED

struct GroupOperand
{
    const unsigned char* rows;
    int step;

    float at(int row, int k) const
    {
        const int piece = step * 2 + k / 8;
        return toFloat(reinterpret_cast<const bf16*>(rows + row * 128 + (piece ^ (row & 7)) * 16)[k % 8]);
    }
};

inline GroupOperand groupOperand(const unsigned char* rows, int step) { return { rows, step }; }
inline u32 sharedAddress(const void*) { return 0; }
inline void publishShared() {}
inline void groupBegin() {}
inline void groupCommit() {}
template <int Pending> void groupWait() {}
template <int Count> void groupKeep(float (&)[Count]) {}

inline void groupMma(float (&c)[64], const GroupOperand& a, const GroupOperand& b)
{
    const int lane = threadIdx.x % 32;
    for (int i = 0; i < 64; i++)
    {
        const int row = threadIdx.x % 128 / 32 * 16 + lane / 4 + i % 4 / 2 * 8;
        const int column = i / 4 * 8 + lane % 4 * 2 + i % 2;
        for (int k = 0; k < 16; k++)
        {
            c[i] += a.at(row, k) * b.at(column, k);
        }
    }
}

#else

typedef u64 GroupOperand;

// Sixteen of the depth's 64 elements, from 16 * step on. 8 rows are 1024 bytes.
LOIRE_DEVICE GroupOperand groupOperand(const unsigned char* rows, int step)
{
    return (static_cast<u64>((sharedAddress(rows) + step * 32) & 0x3ffff) >> 4) | (64ULL << 32) | (1ULL << 62);
}

// What this thread wrote to shared memory is there for the matrix unit, after the block's next barrier.
LOIRE_DEVICE void publishShared() { asm volatile("fence.proxy.async.shared::cta;" : : : "memory"); }

// Before the first product of a series, and whenever registers of its sums were touched.
LOIRE_DEVICE void groupBegin() { asm volatile("wgmma.fence.sync.aligned;" : : : "memory"); }
LOIRE_DEVICE void groupCommit() { asm volatile("wgmma.commit_group.sync.aligned;" : : : "memory"); }

// Until at most so many series are under way.
template <int Pending>
LOIRE_DEVICE void groupWait()
{
    asm volatile("wgmma.wait_group.sync.aligned %0;" : : "n"(Pending) : "memory");
}

// The compiler does not move what uses the sums over this point.
template <int Count>
LOIRE_DEVICE void groupKeep(float (&c)[Count])
{
#pragma unroll
    for (int i = 0; i < Count; i++)
    {
        asm volatile("" : "+f"(c[i]) : : "memory");
    }
}

// c[64, 128] += a[64, 16] * b[128, 16]^T. The thread's elements i are row 16 * warp + lane / 4 + i % 4 / 2 * 8, column i / 4 * 8 + lane % 4 * 2 + i % 2.
LOIRE_DEVICE void groupMma(float (&c)[64], GroupOperand a, GroupOperand b)
{
    asm volatile(
        "{\n.reg .pred isSum;\nsetp.ne.b32 isSum, %66, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
        "%64, %65, isSum, 1, 1, 0, 0;\n}\n"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]), "+f"(c[4]), "+f"(c[5]), "+f"(c[6]), "+f"(c[7]),
          "+f"(c[8]), "+f"(c[9]), "+f"(c[10]), "+f"(c[11]), "+f"(c[12]), "+f"(c[13]), "+f"(c[14]), "+f"(c[15]),
          "+f"(c[16]), "+f"(c[17]), "+f"(c[18]), "+f"(c[19]), "+f"(c[20]), "+f"(c[21]), "+f"(c[22]), "+f"(c[23]),
          "+f"(c[24]), "+f"(c[25]), "+f"(c[26]), "+f"(c[27]), "+f"(c[28]), "+f"(c[29]), "+f"(c[30]), "+f"(c[31]),
          "+f"(c[32]), "+f"(c[33]), "+f"(c[34]), "+f"(c[35]), "+f"(c[36]), "+f"(c[37]), "+f"(c[38]), "+f"(c[39]),
          "+f"(c[40]), "+f"(c[41]), "+f"(c[42]), "+f"(c[43]), "+f"(c[44]), "+f"(c[45]), "+f"(c[46]), "+f"(c[47]),
          "+f"(c[48]), "+f"(c[49]), "+f"(c[50]), "+f"(c[51]), "+f"(c[52]), "+f"(c[53]), "+f"(c[54]), "+f"(c[55]),
          "+f"(c[56]), "+f"(c[57]), "+f"(c[58]), "+f"(c[59]), "+f"(c[60]), "+f"(c[61]), "+f"(c[62]), "+f"(c[63])
        : "l"(a), "l"(b), "r"(1));
}

#endif

#endif
