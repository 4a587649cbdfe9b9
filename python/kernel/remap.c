/* See remap.py, which carries this as machine code. Built with
 *   gcc -Os -fPIC -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
 *       -mno-sse -fno-tree-loop-distribute-patterns -c remap.c
 *   objcopy -O binary -j .text remap.o remap.bin && xxd -p remap.bin
 *
 * Writes the pages of each row that are not all zero to the file, then maps the file privately over the
 * row. Touches no memory but its stack between the two, which is the whole point. Returns the number of
 * rows, or -(row + 1) when the kernel refused that row.
 */
struct row {
    unsigned long address, length, offset;
};

static inline long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall" : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

enum { PWRITE64 = 18, MMAP = 9, PAGE = 4096, READ_WRITE = 3, FIXED_PRIVATE = 0x12 };

long remap(const struct row *rows, long count, long file)
{
    for (long i = 0; i < count; i++) {
        for (unsigned long at = 0; at < rows[i].length; at += PAGE) {
            const unsigned long *words = (const unsigned long *)(rows[i].address + at);
            unsigned long any = 0;
            for (int word = 0; word < PAGE / 8 && !any; word++)
                any = words[word];
            if (any && call(PWRITE64, file, (long)words, PAGE, rows[i].offset + at, 0, 0) != PAGE)
                return -(i + 1);
        }
    }
    for (long i = 0; i < count; i++) {
        long mapped = call(MMAP, rows[i].address, rows[i].length, READ_WRITE, FIXED_PRIVATE,
                           file, rows[i].offset);
        if (mapped != (long)rows[i].address)
            return -(i + 1);
    }
    return count;
}
