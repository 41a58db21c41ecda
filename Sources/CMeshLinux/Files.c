#include "CMeshLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define RETRIED(result, call) \
    do { \
        result = (call); \
    } while (result < 0 && errno == EINTR)

int cmesh_close(int descriptor) { return close(descriptor) < 0 ? -errno : 0; }

long cmesh_read(int descriptor, void *bytes, size_t byte_count) {
    long result;
    RETRIED(result, read(descriptor, bytes, byte_count));
    return result < 0 ? -errno : result;
}

long cmesh_write(int descriptor, const void *bytes, size_t byte_count) {
    long result;
    RETRIED(result, write(descriptor, bytes, byte_count));
    return result < 0 ? -errno : result;
}

_Static_assert(sizeof(cmesh_piece) == sizeof(struct iovec), "a piece is an iovec");
_Static_assert(offsetof(cmesh_piece, byte_count) == offsetof(struct iovec, iov_len), "a piece is an iovec");

long cmesh_write_pieces(int descriptor, const cmesh_piece *pieces, int count) {
    long result;
    RETRIED(result, writev(descriptor, (const struct iovec *)pieces, count));
    return result < 0 ? -errno : result;
}

static int opened(const char *path, int flags, mode_t mode) {
    int result;
    RETRIED(result, open(path, flags | O_CLOEXEC, mode));
    return result < 0 ? -errno : result;
}

int cmesh_file_open_read(const char *path) { return opened(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0); }

int cmesh_directory_open(const char *path) { return opened(path, O_RDONLY | O_DIRECTORY, 0); }

int cmesh_file_create(const char *path, uint32_t mode) {
    return opened(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
}

int cmesh_file_set_mode(int descriptor, uint32_t mode) { return fchmod(descriptor, mode) < 0 ? -errno : 0; }

int cmesh_file_status_read(int descriptor, cmesh_file_status *status) {
    struct stat read;
    if (fstat(descriptor, &read) < 0) return -errno;
    status->mode = read.st_mode;
    status->user_id = read.st_uid;
    status->group_id = read.st_gid;
    status->byte_count = read.st_size;
    return 0;
}

int cmesh_file_is_regular(const cmesh_file_status *status) { return S_ISREG(status->mode) ? 1 : 0; }

int cmesh_sync(int descriptor) {
    int result;
    RETRIED(result, fsync(descriptor));
    return result < 0 ? -errno : 0;
}

int cmesh_rename(const char *from, const char *to) { return rename(from, to) < 0 ? -errno : 0; }

int cmesh_rename_exclusive(const char *from, const char *to) {
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -errno;
    if (link(from, to) < 0) return -errno;
    return unlink(from) < 0 ? -errno : 0;
}

int cmesh_unlink(const char *path) { return unlink(path) < 0 ? -errno : 0; }

int cmesh_random(void *bytes, size_t byte_count) {
    long result;
    RETRIED(result, getrandom(bytes, byte_count, 0));
    if (result < 0) return -errno;
    return (size_t)result == byte_count ? 0 : -EIO;
}
