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
