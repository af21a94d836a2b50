// Matrix products of a warpgroup whose first factor is in registers: 64 rows of queries or of weights against a page in shared memory.
// Compute capability 9.0 only.
//
// A page of keys or values is two panels of 64 channels; a panel has the 64 tokens as rows of 128 bytes and begins at a multiple of 1024. Piece p,
// of 16 bytes, of row r lies in place p ^ (r % 8): what the unit calls the 128-byte swizzle.
//
// First factors and sums have each warp's 16 rows in the form of mmaBf16, the sums 8 columns after the other.
#pragma once
#include "Common.cuh"
#include "Hopper.cuh"

static constexpr int kPanelBytes = 64 * 128;

// Bytes from a page's beginning to a token's piece of 16 bytes.
LOIRE_DEVICE int panelOffset(int token, int piece)
{
    return piece / 8 * kPanelBytes + token * 128 + ((piece % 8) ^ (token % 8)) * 16;
}

#ifdef LOIRE_EMULATED

struct PageOperand
{
    const unsigned char* page;
    int step;
};

inline PageOperand keysOperand(const unsigned char* page, int step) { return { page, step }; }
inline PageOperand valuesOperand(const unsigned char* page, int step) { return { page, step }; }
void groupMmaKeys(float (&c)[32], const u32 (&a)[4], const PageOperand& b, bool isSum);
void groupMmaValues(float (&c)[64], const u32 (&a)[4], const PageOperand& b, bool isSum);

#else

// Channels 16 step .. + 15 of 64 keys: tokens are columns of the product, their channels its depth. 8 rows are 1024 bytes.
LOIRE_DEVICE u64 keysOperand(const unsigned char* page, int step)
{
    return groupOperand(page + step / 4 * kPanelBytes, step % 4);
}

// Values of tokens 16 step .. + 15: their channels are columns of the product, tokens its depth. 64 columns are a panel, 8 tokens 1024 bytes.
LOIRE_DEVICE u64 valuesOperand(const unsigned char* page, int step)
{
    return (static_cast<u64>((sharedAddress(page) + step * 2048) & 0x3ffff) >> 4) | (static_cast<u64>(kPanelBytes / 16) << 16) | (64ULL << 32) | (1ULL << 62);
}

// c[64, 64 tokens] = or += a[64, 16 channels] * keys^T.
LOIRE_DEVICE void groupMmaKeys(float (&c)[32], const u32 (&a)[4], u64 b, bool isSum)
{
    asm volatile(
        "{\n.reg .pred isSum;\nsetp.ne.b32 isSum, %37, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
        "{%32, %33, %34, %35}, %36, isSum, 1, 1, 0;\n}\n"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]), "+f"(c[4]), "+f"(c[5]), "+f"(c[6]), "+f"(c[7]),
          "+f"(c[8]), "+f"(c[9]), "+f"(c[10]), "+f"(c[11]), "+f"(c[12]), "+f"(c[13]), "+f"(c[14]), "+f"(c[15]),
          "+f"(c[16]), "+f"(c[17]), "+f"(c[18]), "+f"(c[19]), "+f"(c[20]), "+f"(c[21]), "+f"(c[22]), "+f"(c[23]),
          "+f"(c[24]), "+f"(c[25]), "+f"(c[26]), "+f"(c[27]), "+f"(c[28]), "+f"(c[29]), "+f"(c[30]), "+f"(c[31])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(isSum ? 1 : 0));
}

// c[64, 128 channels] = or += a[64, 16 tokens] * values.
LOIRE_DEVICE void groupMmaValues(float (&c)[64], const u32 (&a)[4], u64 b, bool isSum)
{
    asm volatile(
        "{\n.reg .pred isSum;\nsetp.ne.b32 isSum, %69, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
        "{%64, %65, %66, %67}, %68, isSum, 1, 1, 1;\n}\n"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]), "+f"(c[4]), "+f"(c[5]), "+f"(c[6]), "+f"(c[7]),
          "+f"(c[8]), "+f"(c[9]), "+f"(c[10]), "+f"(c[11]), "+f"(c[12]), "+f"(c[13]), "+f"(c[14]), "+f"(c[15]),
          "+f"(c[16]), "+f"(c[17]), "+f"(c[18]), "+f"(c[19]), "+f"(c[20]), "+f"(c[21]), "+f"(c[22]), "+f"(c[23]),
          "+f"(c[24]), "+f"(c[25]), "+f"(c[26]), "+f"(c[27]), "+f"(c[28]), "+f"(c[29]), "+f"(c[30]), "+f"(c[31]),
          "+f"(c[32]), "+f"(c[33]), "+f"(c[34]), "+f"(c[35]), "+f"(c[36]), "+f"(c[37]), "+f"(c[38]), "+f"(c[39]),
          "+f"(c[40]), "+f"(c[41]), "+f"(c[42]), "+f"(c[43]), "+f"(c[44]), "+f"(c[45]), "+f"(c[46]), "+f"(c[47]),
          "+f"(c[48]), "+f"(c[49]), "+f"(c[50]), "+f"(c[51]), "+f"(c[52]), "+f"(c[53]), "+f"(c[54]), "+f"(c[55]),
          "+f"(c[56]), "+f"(c[57]), "+f"(c[58]), "+f"(c[59]), "+f"(c[60]), "+f"(c[61]), "+f"(c[62]), "+f"(c[63])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(isSum ? 1 : 0));
}

#endif
