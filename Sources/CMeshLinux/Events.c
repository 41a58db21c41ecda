#include "CMeshLinux.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifdef __x86_64__
_Static_assert(sizeof(cmesh_epoll_event) == sizeof(struct epoll_event), "cmesh_epoll_event must match epoll_event");
#endif
_Static_assert((int)CMESH_READABLE == (int)EPOLLIN && (int)CMESH_WRITABLE == (int)EPOLLOUT, "event bits");
_Static_assert((int)CMESH_ERROR == (int)EPOLLERR && (int)CMESH_HANG_UP == (int)EPOLLHUP, "event bits");

int cmesh_epoll_create(void) {
    int result = epoll_create1(EPOLL_CLOEXEC);
    return result < 0 ? -errno : result;
}

static int controlled(int epoll, int operation, int descriptor, uint32_t events, uint64_t token) {
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = events;
    event.data.u64 = token;
    return epoll_ctl(epoll, operation, descriptor, &event) < 0 ? -errno : 0;
}

int cmesh_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t token) {
    return controlled(epoll, EPOLL_CTL_ADD, descriptor, events, token);
}

int cmesh_epoll_modify(int epoll, int descriptor, uint32_t events, uint64_t token) {
    return controlled(epoll, EPOLL_CTL_MOD, descriptor, events, token);
}

int cmesh_epoll_remove(int epoll, int descriptor) { return controlled(epoll, EPOLL_CTL_DEL, descriptor, 0, 0); }

/// epoll_pwait2(2) is there since Linux 5.11; before that the time is rounded up to milliseconds.
static int waited(int epoll, struct epoll_event *events, int count, int64_t timeout_nanoseconds) {
    struct timespec timeout = {
        .tv_sec = timeout_nanoseconds / 1000000000, .tv_nsec = timeout_nanoseconds % 1000000000};
#ifdef SYS_epoll_pwait2
    long result = syscall(
        SYS_epoll_pwait2, epoll, events, count, timeout_nanoseconds < 0 ? NULL : &timeout, NULL, (size_t)0);
    if (result >= 0 || errno != ENOSYS) return (int)result;
#endif
    int64_t milliseconds = timeout_nanoseconds / 1000000 + (timeout_nanoseconds % 1000000 != 0);
    if (milliseconds > 1000000) milliseconds = 1000000;
    return epoll_wait(epoll, events, count, timeout_nanoseconds < 0 ? -1 : (int)milliseconds);
}

int cmesh_epoll_wait(int epoll, cmesh_epoll_event *events, int event_count_max, int64_t timeout_nanoseconds) {
    struct epoll_event ready[64];
    int count = event_count_max < 64 ? event_count_max : 64;
    int result = waited(epoll, ready, count, timeout_nanoseconds);
    if (result < 0) return errno == EINTR ? 0 : -errno;
    for (int index = 0; index < result; index++) {
        events[index].events = ready[index].events;
        events[index].token = ready[index].data.u64;
    }
    return result;
}

int cmesh_eventfd_create(void) {
    int result = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return result < 0 ? -errno : result;
}

/// Fills a Unix address; the length for the kernel, or a negated errno. '@' first: abstract (unix(7)).
static int unix_address(const char *path, struct sockaddr_un *address) {
    size_t count = strlen(path);
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (count == 0) return -EINVAL;
    if (count >= sizeof address->sun_path) return -ENAMETOOLONG;
    memcpy(address->sun_path, path, count);
    int is_abstract = path[0] == '@';
    if (is_abstract) address->sun_path[0] = 0;
    return (int)(offsetof(struct sockaddr_un, sun_path) + count + (is_abstract ? 0 : 1));
}

int cmesh_unix_datagram_send(const char *path, const void *bytes, size_t byte_count) {
    struct sockaddr_un address;
    int length = unix_address(path, &address);
    if (length < 0) return length;
    int handle = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (handle < 0) return -errno;
    long result;
    do {
        result = sendto(handle, bytes, byte_count, MSG_NOSIGNAL, (struct sockaddr *)&address, (socklen_t)length);
    } while (result < 0 && errno == EINTR);
    int error = result < 0 ? -errno : 0;
    close(handle);
    return error;
}

int cmesh_unix_listen(const char *path) {
    struct sockaddr_un address;
    int length = unix_address(path, &address);
    if (length < 0) return length;
    int handle = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (handle < 0) return -errno;
    // The mode of the socket's inode comes from the descriptor: no moment with a wider one.
    if (fchmod(handle, 0600) < 0 || bind(handle, (struct sockaddr *)&address, (socklen_t)length) < 0 ||
        listen(handle, 8) < 0) {
        int error = -errno;
        close(handle);
        return error;
    }
    return handle;
}

int cmesh_unix_accept(int descriptor) {
    int result;
    do {
        result = accept4(descriptor, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : result;
}

int cmesh_unix_connect(const char *path) {
    struct sockaddr_un address;
    int length = unix_address(path, &address);
    if (length < 0) return length;
    int handle = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (handle < 0) return -errno;
    if (connect(handle, (struct sockaddr *)&address, (socklen_t)length) < 0) {
        int error = -errno;
        close(handle);
        return error;
    }
    return handle;
}

long cmesh_send(int descriptor, const void *bytes, size_t byte_count) {
    long result;
    do {
        result = send(descriptor, bytes, byte_count, MSG_NOSIGNAL);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : result;
}
