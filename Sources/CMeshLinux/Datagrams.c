#include "CMeshLinux.h"
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int set_option(int descriptor, int level, int option, int value) {
    return setsockopt(descriptor, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

int cmesh_datagram_socket_open(int is_version6) {
    int handle = socket(is_version6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (handle < 0) return -errno;
    int error;
    if (is_version6) {
        error = set_option(handle, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        if (error == 0) error = set_option(handle, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
        if (error == 0) error = set_option(handle, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
    } else {
        error = set_option(handle, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
    }
    if (error == 0) return handle;
    close(handle);
    return error;
}

int cmesh_socket_share_port(int descriptor) { return set_option(descriptor, SOL_SOCKET, SO_REUSEPORT, 1); }

int cmesh_socket_set_arrival_times(int descriptor) { return set_option(descriptor, SOL_SOCKET, SO_TIMESTAMPNS, 1); }

int cmesh_socket_set_mark(int descriptor, uint32_t mark) {
    return set_option(descriptor, SOL_SOCKET, SO_MARK, (int)mark);
}

/// Without the privilege to exceed net.core.rmem_max and wmem_max the kernel cuts what is asked.
static int buffer_set(int descriptor, int forced_option, int option, int byte_count) {
    if (set_option(descriptor, SOL_SOCKET, forced_option, byte_count) < 0)
        set_option(descriptor, SOL_SOCKET, option, byte_count);
    int result = 0;
    socklen_t length = sizeof result;
    return getsockopt(descriptor, SOL_SOCKET, option, &result, &length) < 0 ? -errno : result;
}

int cmesh_socket_set_receive_buffer(int descriptor, int byte_count) {
    return buffer_set(descriptor, SO_RCVBUFFORCE, SO_RCVBUF, byte_count);
}

int cmesh_socket_set_send_buffer(int descriptor, int byte_count) {
    return buffer_set(descriptor, SO_SNDBUFFORCE, SO_SNDBUF, byte_count);
}

int cmesh_datagram_socket_bind(int descriptor, int is_version6, uint16_t port) {
    struct sockaddr_in version4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 version6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int result = is_version6 ? bind(descriptor, (struct sockaddr *)&version6, sizeof version6)
                             : bind(descriptor, (struct sockaddr *)&version4, sizeof version4);
    if (result < 0) return -errno;
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    if (getsockname(descriptor, (struct sockaddr *)&bound, &length) < 0) return -errno;
    return ntohs(is_version6 ? ((struct sockaddr_in6 *)&bound)->sin6_port : ((struct sockaddr_in *)&bound)->sin_port);
}

int cmesh_descriptor_duplicate(int descriptor) {
    int result = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    return result < 0 ? -errno : result;
}

static socklen_t filled(struct sockaddr_in6 *storage, const cmesh_datagram *datagram, int is_version6) {
    memset(storage, 0, sizeof *storage);
    if (!is_version6) {
        struct sockaddr_in *version4 = (struct sockaddr_in *)storage;
        version4->sin_family = AF_INET;
        version4->sin_port = htons(datagram->port);
        version4->sin_addr.s_addr = htonl((uint32_t)datagram->address_low);
        return sizeof *version4;
    }
    uint64_t halves[2] = {htobe64(datagram->address_high), htobe64(datagram->address_low)};
    storage->sin6_family = AF_INET6;
    storage->sin6_port = htons(datagram->port);
    memcpy(&storage->sin6_addr, halves, sizeof halves);
    return sizeof *storage;
}

int cmesh_datagrams_send(
    int descriptor, int is_version6, const uint8_t *bytes, const cmesh_datagram *datagrams, int count) {
    struct mmsghdr messages[CMESH_DATAGRAM_BATCH_MAX];
    struct iovec contents[CMESH_DATAGRAM_BATCH_MAX];
    struct sockaddr_in6 targets[CMESH_DATAGRAM_BATCH_MAX];
    if (count > CMESH_DATAGRAM_BATCH_MAX) count = CMESH_DATAGRAM_BATCH_MAX;
    for (int index = 0; index < count; index++) {
        contents[index].iov_base = (void *)(bytes + datagrams[index].offset);
        contents[index].iov_len = datagrams[index].byte_count;
        memset(&messages[index], 0, sizeof messages[index]);
        messages[index].msg_hdr.msg_iov = &contents[index];
        messages[index].msg_hdr.msg_iovlen = 1;
        messages[index].msg_hdr.msg_name = &targets[index];
        messages[index].msg_hdr.msg_namelen = filled(&targets[index], &datagrams[index], is_version6);
    }
    int result;
    do {
        result = sendmmsg(descriptor, messages, (unsigned int)count, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : result;
}
