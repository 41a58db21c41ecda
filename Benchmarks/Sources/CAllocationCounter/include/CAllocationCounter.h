#pragma once
#include <stdint.h>

/// Allocations of the whole process so far: every call of malloc, calloc, realloc, posix_memalign and aligned_alloc.
uint64_t mesh_allocation_count(void);

/// Allocates once and frees: what the counter must see.
void mesh_allocate_once(void);

/// CLOCK_MONOTONIC, in nanoseconds.
uint64_t mesh_monotonic_nanoseconds(void);

/// CPU time of all threads of the process, in nanoseconds.
uint64_t mesh_processor_nanoseconds(void);

/// Instructions that `body` takes, found by running a copy of the process through it step by step (some microseconds
/// each): the same on every run and under every load, but for what the processor's features select. 0 where ptrace(2) is
/// not allowed. The calling process must have one thread, and is left as it was.
uint64_t mesh_instruction_count(void (*_Nonnull body)(void *_Nullable), void *_Nullable context);

/// Bytes of all blocks that are allocated now, with what the allocator adds to each.
uint64_t mesh_heap_byte_count(void);

/// Bytes of memory resident now.
uint64_t mesh_resident_byte_count(void);
