/* See twins.py, which carries this as machine code. Built with
 *   gcc -Os -fPIC -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
 *       -mno-sse -fno-tree-loop-distribute-patterns -c twins.c
 *   objcopy -O binary -j .text twins.o twins.bin && xxd -p twins.bin
 *
 * Reads the process's memory map, and for each private, writable mapping of the zygote's file the table of its
 * pages. A page of the process's own that is the same as the file's is given back. `view` is the file once more,
 * for reading. Touches no memory but its stack and two pages, which it gives back as well. Returns how many pages
 * were given back.
 */
typedef unsigned long word;

enum { READ, LSEEK = 8, MMAP, MUNMAP = 11, PREAD64 = 17, MADVISE = 28 };
enum { PAGE = 4096, ENTRIES = PAGE / 8, DONTNEED = 4, READ_WRITE = 3, PRIVATE_ANONYMOUS = 0x22 };
/* "/memfd:z" and "ygot", as they lie in memory. */
#define NAME 0x7a3a64666d656d2ful
#define REST 0x746f6779u

static inline word call(word number, word a, word b, word c, word d, word e, word f)
{
    register word r10 __asm__("r10") = d;
    register word r8 __asm__("r8") = e;
    register word r9 __asm__("r9") = f;
    word result;
    __asm__ volatile("syscall" : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static inline int failed(word result)
{
    return result > -4096ul;
}

static inline const char *read_hex(const char *at, word *value)
{
    for (*value = 0;; at++) {
        word digit = *at >= 'a' ? *at - 'a' + 10ul : *at - '0' + 0ul;
        if (digit > 15)
            return at + 1;
        *value = *value << 4 | digit;
    }
}

static inline int is_twin(word address, word file)
{
    const word *own = (const word *)address, *other = (const word *)file;
    for (int i = 0; i < PAGE / 8; i++)
        if (own[i] != other[i])
            return 0;
    return 1;
}

static word give(word start, word end)
{
    return end > start && call(MADVISE, start, end - start, DONTNEED, 0, 0, 0) == 0 ? (end - start) / PAGE : 0;
}

/* One mapping, whose first page is at `file` in the view. */
static word search(word start, word end, word file, word pagemap, word *entries)
{
    /* Twins that lie side by side are given back together. */
    word given = 0, first = start, after = start;
    for (word at = start; at < end; at += ENTRIES * PAGE) {
        word left = (end - at) / PAGE, count = left < ENTRIES ? left : ENTRIES;
        if (call(PREAD64, pagemap, (word)entries, count * 8, at / PAGE * 8, 0, 0) != count * 8)
            break;
        for (word i = 0; i < count; i++) {
            word address = at + i * PAGE;
            /* Present (bit 63), not swapped out (62), not of a file (61). */
            if (entries[i] >> 61 != 4 || !is_twin(address, file + address - start))
                continue;
            if (address != after) {
                given += give(first, after);
                first = address;
            }
            after = address + PAGE;
        }
    }
    return given + give(first, after);
}

word give_back(word view, word length, word maps, word pagemap)
{
    word room = call(MMAP, 0, 2 * PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1ul, 0), given = 0, filled = 0;
    if (failed(room))
        return 0;
    char *lines = (char *)room;
    call(LSEEK, maps, 0, 0, 0, 0, 0);
    for (;;) {
        word got = call(READ, maps, room + filled, PAGE - filled, 0, 0, 0);
        if (failed(got) || got == 0)
            break;
        filled += got;
        const char *line = lines, *end = lines + filled;
        for (const char *at = line; at < end; at++) {
            if (*at != '\n')
                continue;
            word start, stop, offset;
            const char *rights = read_hex(read_hex(line, &start), &stop);
            read_hex(rights + 5, &offset);
            const char *name = rights;
            while (name < at && *name != '/')
                name++;
            if (at - name > 12 && *(const word *)name == NAME && *(const unsigned *)(name + 8) == REST &&
                rights[1] == 'w' && rights[3] == 'p' && offset + (stop - start) <= length)
                given += search(start, stop, view + offset, pagemap, (word *)(room + PAGE));
            line = at + 1;
        }
        filled = end - line;
        for (word i = 0; i < filled; i++)
            lines[i] = line[i];
    }
    call(MADVISE, view, length, DONTNEED, 0, 0, 0);
    call(MUNMAP, room, 2 * PAGE, 0, 0, 0, 0);
    return given;
}

/* Rows of address, length and advice: what a session will touch (ahead.py). Returns how many were taken. */
word advise(const word *rows, word count)
{
    word taken = 0;
    for (word row = 0; row < count; row++)
        taken += !call(MADVISE, rows[3 * row], rows[3 * row + 1], rows[3 * row + 2], 0, 0, 0);
    return taken;
}
