/* See arrays.py, which carries this as machine code. Built with
 *   gcc -Os -shared -nostdlib -fPIC -fvisibility=hidden -fno-stack-protector -fcf-protection=none \
 *       -fno-asynchronous-unwind-tables -mno-sse -fno-tree-loop-distribute-patterns arrays.c -o arrays.so
 *   objcopy -O binary -j .text arrays.so arrays.bin && xxd -p arrays.bin && nm arrays.so
 *
 * pandas fills its tables without the interpreter's lock, so there is one here. Whoever does not get it takes memory
 * from elsewhere; what cannot be returned for so long that the owner must have been lost in a fork is not returned.
 */
typedef unsigned long word;

enum { HUGE = 1 << 21, LEAST = 3 << 18, BLOCKS = 64 };
enum { MMAP = 9, MUNMAP = 11, SCHED_YIELD = 24, MADVISE = 28, READ_WRITE = 3, PRIVATE_ANONYMOUS = 0x22 };
enum { HUGEPAGE = 14, WIPEONFORK = 18, KEEPONFORK = 19 };
enum { NONE, FRESH, REUSED, FREE };
enum { TRIES = 100, TRIES_TO_RETURN = 1 << 20 };

struct block {
    word address, length, state, epoch;
};

struct memory {
    void *context;
    void *(*allocate)(void *, word);
    void *(*allocate_zeros)(void *, word, word);
    void *(*resize)(void *, void *, word);
    void (*release)(void *, void *, word);
    /* The C library's. */
    void *(*c_malloc)(word);
    void *(*c_calloc)(word, word);
    void *(*c_realloc)(void *, word);
    void (*c_free)(void *);
    word (*c_usable)(void *);
    word lock, epoch, kept, kept_max, reused, reused_max;
    struct block blocks[BLOCKS];
};

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

static int lock(struct memory *memory, int tries)
{
    while (__atomic_exchange_n(&memory->lock, 1, __ATOMIC_ACQUIRE)) {
        if (--tries < 0)
            return 0;
        call(SCHED_YIELD, 0, 0, 0, 0, 0, 0);
    }
    return 1;
}

static void unlock(struct memory *memory)
{
    __atomic_store_n(&memory->lock, 0, __ATOMIC_RELEASE);
}

static void end(struct memory *memory, struct block *block)
{
    if (block->state == FREE)
        memory->kept -= block->length;
    if (block->state == REUSED)
        memory->reused -= block->length;
    call(MUNMAP, block->address, block->length, 0, 0, 0, 0);
    block->state = NONE;
}

static void make_room(struct memory *memory, word room)
{
    for (int i = 0; i < BLOCKS && memory->kept > room; i++)
        if (memory->blocks[i].state == FREE)
            end(memory, &memory->blocks[i]);
}

void drop(struct memory *memory)
{
    if (lock(memory, TRIES)) {
        make_room(memory, 0);
        unlock(memory);
    }
}

/* Needs no lock: the block is its caller's. */
static struct block *find(struct memory *memory, word address)
{
    if (address && address % HUGE == 0)
        for (int i = 0; i < BLOCKS; i++)
            if (memory->blocks[i].address == address &&
                (memory->blocks[i].state == FRESH || memory->blocks[i].state == REUSED))
                return &memory->blocks[i];
    return 0;
}

static word map_fresh(word size, word length)
{
    word start = call(MMAP, 0, length + HUGE, READ_WRITE, PRIVATE_ANONYMOUS, -1L, 0);
    if (start > -4096UL)
        return 0;
    word address = (start + HUGE - 1) & -(word)HUGE;
    if (address > start)
        call(MUNMAP, start, address - start, 0, 0, 0, 0);
    call(MUNMAP, address + length, start + HUGE - address, 0, 0, 0, 0);
    word huge = (size + HUGE / 4) & -(word)HUGE;
    if (huge)
        call(MADVISE, address, huge, HUGEPAGE, 0, 0, 0);
    return address;
}

static void clear(void *to, word count)
{
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(0) : "memory");
}

/* Zeros come from the kernel, which brings only those that are looked at, unless they are so few that all of them are. */
static word make_locked(struct memory *memory, word size, word length, int zeros)
{
    struct block *best = 0, *empty = 0;
    for (int i = 0; i < BLOCKS; i++) {
        struct block *block = &memory->blocks[i];
        if (block->state == NONE)
            empty = block;
        else if ((!zeros || length == HUGE) && block->state == FREE && block->epoch <= memory->epoch && block->length >= length &&
                 block->length <= length + length / 4 && (!best || block->length < best->length))
            best = block;
    }
    if (best) {
        if (call(MADVISE, best->address, best->length, KEEPONFORK, 0, 0, 0) == 0) {
            memory->kept -= best->length;
            memory->reused += best->length;
            if (memory->reused > memory->reused_max)
                memory->reused_max = memory->reused;
            best->state = REUSED;
            best->epoch = memory->epoch;
            if (zeros)
                clear((void *)best->address, size);
            return best->address;
        }
        end(memory, best);
        empty = best;
    }
    if (!empty)
        return 0;
    word address = map_fresh(size, length);
    if (!address && memory->kept) {
        make_room(memory, 0);
        address = map_fresh(size, length);
    }
    if (address) {
        empty->address = address;
        empty->length = length;
        empty->state = FRESH;
        empty->epoch = memory->epoch;
    }
    return address;
}

static word make(struct memory *memory, word size, int zeros)
{
    word length = (size + HUGE - 1) & -(word)HUGE;
    if (size < LEAST || length < size || !lock(memory, TRIES))
        return 0;
    word address = make_locked(memory, size, length, zeros);
    unlock(memory);
    return address;
}

static void give_back(struct memory *memory, struct block *block)
{
    if (!lock(memory, TRIES_TO_RETURN))
        return;
    int keep = block->length <= memory->kept_max;
    if (keep) {
        make_room(memory, memory->kept_max - block->length);
        keep = call(MADVISE, block->address, block->length, WIPEONFORK, 0, 0, 0) == 0;
    }
    if (keep) {
        if (block->state == REUSED)
            memory->reused -= block->length;
        memory->kept += block->length;
        block->state = FREE;
        /* What was there before the last fork is shared until the next one ends the copy. */
        block->epoch = memory->epoch + (block->epoch < memory->epoch);
    } else
        end(memory, block);
    unlock(memory);
}

static void copy(void *to, void *from, word count)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

static int fits(struct block *block, word size)
{
    return size <= block->length && size >= block->length / 2;
}

static word least(word one, word other)
{
    return one < other ? one : other;
}

/* numpy's four. */

void *allocate(struct memory *memory, word size)
{
    word address = make(memory, size, 0);
    return address ? (void *)address : memory->allocate(memory->context, size);
}

void *allocate_zeros(struct memory *memory, word count, word each)
{
    word size, address = 0;
    if (!__builtin_mul_overflow(count, each, &size))
        address = make(memory, size, 1);
    return address ? (void *)address : memory->allocate_zeros(memory->context, count, each);
}

void release(struct memory *memory, void *pointer, word size)
{
    struct block *block = find(memory, (word)pointer);
    if (block)
        give_back(memory, block);
    else
        memory->release(memory->context, pointer, size);
}

void *resize(struct memory *memory, void *pointer, word size)
{
    struct block *block = find(memory, (word)pointer);
    if (!block)
        return memory->resize(memory->context, pointer, size);
    if (fits(block, size))
        return pointer;
    void *moved = allocate(memory, size);
    if (moved) {
        copy(moved, pointer, least(size, block->length));
        give_back(memory, block);
    }
    return moved;
}

/* The C library's four, for the libraries that are bound to them. */

void *own_malloc(word size, struct memory *memory)
{
    word address = make(memory, size, 0);
    return address ? (void *)address : memory->c_malloc(size);
}

void *own_calloc(word count, word each, struct memory *memory)
{
    word size, address = 0;
    if (!__builtin_mul_overflow(count, each, &size))
        address = make(memory, size, 1);
    return address ? (void *)address : memory->c_calloc(count, each);
}

void own_free(void *pointer, struct memory *memory)
{
    struct block *block = find(memory, (word)pointer);
    if (block)
        give_back(memory, block);
    else
        memory->c_free(pointer);
}

void *own_realloc(void *pointer, word size, struct memory *memory)
{
    struct block *block = find(memory, (word)pointer);
    word before = block ? block->length : pointer ? memory->c_usable(pointer) : 0;
    if (block ? size && fits(block, size) : size < LEAST || before >= LEAST)
        return block ? pointer : memory->c_realloc(pointer, size);
    void *moved = own_malloc(size, memory);
    if (moved && pointer) {
        copy(moved, pointer, least(size, before));
        own_free(pointer, memory);
    }
    return moved;
}
