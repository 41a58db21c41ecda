#ifndef _GNU_SOURCE
#error "CMeshLinux must be built with _GNU_SOURCE"
#endif
#include "CMeshLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/capability.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int cmesh_thread_set_name(const char *name) { return -pthread_setname_np(pthread_self(), name); }

int cmesh_signals_block_all(void *former_mask, size_t mask_byte_count) {
    if (mask_byte_count < sizeof(sigset_t)) return -EINVAL;
    sigset_t all;
    sigfillset(&all);
    return -pthread_sigmask(SIG_SETMASK, &all, (sigset_t *)former_mask);
}

int cmesh_signals_restore(const void *former_mask, size_t mask_byte_count) {
    if (mask_byte_count < sizeof(sigset_t)) return -EINVAL;
    return -pthread_sigmask(SIG_SETMASK, (const sigset_t *)former_mask, NULL);
}

int cmesh_thread_set_timer_slack(unsigned long nanoseconds) {
    return prctl(PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0) < 0 ? -errno : 0;
}

int cmesh_thread_set_slice(unsigned long long nanoseconds) {
    // linux/sched/types.h, whose names are the C library's in newer ones: SCHED_ATTR_SIZE_VER0.
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attributes;
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) < 0) return -errno;
    if (attributes.policy != SCHED_OTHER) return 0;
    attributes.runtime = nanoseconds;
    return syscall(SYS_sched_setattr, 0, &attributes, 0) < 0 ? -errno : 0;
}

int cmesh_network_namespace_unshare(void) { return unshare(CLONE_NEWNET) < 0 ? -errno : 0; }

int cmesh_network_namespace_enter(const char *path) {
    int handle = open(path, O_RDONLY | O_CLOEXEC);
    if (handle < 0) return -errno;
    int result = setns(handle, CLONE_NEWNET) < 0 ? -errno : 0;
    close(handle);
    return result;
}

int cmesh_mount_namespace_unshare(void) {
    if (unshare(CLONE_NEWNS) < 0) return -errno;
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
}

int cmesh_capabilities_keep(uint32_t capabilities) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct data[2];
    memset(data, 0, sizeof data);
    data[0].effective = data[0].permitted = capabilities;
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int64_t cmesh_clock(int clock) {
    struct timespec time;
    if (clock_gettime(clock, &time) < 0) return -errno;
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

const char *cmesh_error_text(int error) {
    const char *text = strerrordesc_np(error);
    return text ? text : "unknown error";
}

const char *cmesh_error_name(int error) {
    const char *name = strerrorname_np(error);
    return name ? name : "unknown errno";
}

// Segments that nothing writes to: the loader's relocations are in writable ones. Objects without a path, but for the program,
// which is the first and has an empty name, are the kernel's.
static int forget_file(struct dl_phdr_info *object, size_t size, void *result) {
    (void)size;
    if (object->dlpi_name[0] != 0 && object->dlpi_name[0] != '/') return 0;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int index = 0; index < object->dlpi_phnum; index++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[index];
        if (segment->p_type != PT_LOAD || segment->p_flags & PF_W) continue;
        uintptr_t start = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
        uintptr_t end = object->dlpi_addr + segment->p_vaddr + segment->p_filesz;
        if (madvise((void *)start, end - start, MADV_DONTNEED) < 0) *(int *)result = -errno;
    }
    return 0;
}

int cmesh_processor_count(void) {
    // 1,024 of them: more take a set of another size, which is refused with EINVAL here.
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) < 0 ? -errno : CPU_COUNT(&set);
}

int cmesh_process_forget_set_up(void) {
    int result = 0;
    malloc_trim(0);
    dl_iterate_phdr(forget_file, &result);
    return result;
}
