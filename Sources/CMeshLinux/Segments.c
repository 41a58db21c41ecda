#include "CMeshLinux.h"
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

// linux/udp.h has them besides a struct that netinet/udp.h has as well.
enum { LEVEL_UDP = 17, OPTION_UDP_SEGMENT = 103, OPTION_UDP_GRO = 104 };

int cmesh_datagram_probe_segmentation(int descriptor) {
    int value = 0;
    socklen_t length = sizeof value;
    return getsockopt(descriptor, LEVEL_UDP, OPTION_UDP_SEGMENT, &value, &length) < 0 ? -errno : 0;
}

int cmesh_datagram_set_receive_offload(int descriptor, int is_on) {
    return setsockopt(descriptor, LEVEL_UDP, OPTION_UDP_GRO, &is_on, sizeof is_on) < 0 ? -errno : 0;
}

static socklen_t filled(struct sockaddr_in6 *storage, const cmesh_segments *segments, int is_version6) {
    memset(storage, 0, sizeof *storage);
    if (is_version6) {
        storage->sin6_family = AF_INET6;
        storage->sin6_port = htons(segments->port);
        uint64_t words[2] = {htobe64(segments->address_high), htobe64(segments->address_low)};
        memcpy(&storage->sin6_addr, words, sizeof words);
        return sizeof *storage;
    }
    struct sockaddr_in *version4 = (struct sockaddr_in *)storage;
    version4->sin_family = AF_INET;
    version4->sin_port = htons(segments->port);
    version4->sin_addr.s_addr = htonl((uint32_t)segments->address_low);
    return sizeof *version4;
}

typedef union {
    char bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct timespec))];
    struct cmsghdr header;
} control_message;

typedef union {
    char bytes[CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(int))];
    struct cmsghdr header;
} send_control;

/// Says how a message is cut, and its class of service. Returns the bytes used.
static size_t fill_control(send_control *control, const cmesh_segments *segments, int is_version6) {
    size_t used = 0;
    if (segments->segment_count > 1) {
        struct cmsghdr *header = &control->header;
        header->cmsg_level = LEVEL_UDP;
        header->cmsg_type = OPTION_UDP_SEGMENT;
        header->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        memcpy(CMSG_DATA(header), &segments->segment_byte_count, sizeof(uint16_t));
        used = CMSG_SPACE(sizeof(uint16_t));
    }
    if (segments->service_class) {
        struct cmsghdr *header = (struct cmsghdr *)(control->bytes + used);
        int value = segments->service_class;
        header->cmsg_level = is_version6 ? IPPROTO_IPV6 : IPPROTO_IP;
        header->cmsg_type = is_version6 ? IPV6_TCLASS : IP_TOS;
        header->cmsg_len = CMSG_LEN(sizeof value);
        memcpy(CMSG_DATA(header), &value, sizeof value);
        used += CMSG_SPACE(sizeof value);
    }
    return used;
}

int cmesh_segments_send(
    int descriptor, int is_version6, const uint8_t *bytes, const cmesh_segments *segments, int count) {
    struct mmsghdr messages[CMESH_SEGMENTS_BATCH_MAX];
    struct iovec contents[CMESH_SEGMENTS_BATCH_MAX];
    struct sockaddr_in6 targets[CMESH_SEGMENTS_BATCH_MAX];
    send_control controls[CMESH_SEGMENTS_BATCH_MAX];
    if (count > CMESH_SEGMENTS_BATCH_MAX) count = CMESH_SEGMENTS_BATCH_MAX;
    for (int index = 0; index < count; index++) {
        contents[index].iov_base = (void *)(bytes + segments[index].offset);
        contents[index].iov_len = segments[index].byte_count;
        struct msghdr *message = &messages[index].msg_hdr;
        memset(message, 0, sizeof *message);
        message->msg_iov = &contents[index];
        message->msg_iovlen = 1;
        message->msg_name = &targets[index];
        message->msg_namelen = filled(&targets[index], &segments[index], is_version6);
        size_t used = fill_control(&controls[index], &segments[index], is_version6);
        if (used == 0) continue;
        message->msg_control = &controls[index];
        message->msg_controllen = used;
    }
    int result;
    do {
        result = sendmmsg(descriptor, messages, (unsigned int)count, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : result;
}

static void note_sender(cmesh_received *received, const struct sockaddr_in6 *sender) {
    if (sender->sin6_family == AF_INET6) {
        uint64_t words[2];
        memcpy(words, &sender->sin6_addr, sizeof words);
        received->address_high = be64toh(words[0]);
        received->address_low = be64toh(words[1]);
        received->port = ntohs(sender->sin6_port);
    } else {
        const struct sockaddr_in *version4 = (const struct sockaddr_in *)sender;
        received->address_high = 0;
        received->address_low = ntohl(version4->sin_addr.s_addr);
        received->port = ntohs(version4->sin_port);
    }
}

static int64_t nanoseconds(const struct timespec *time) { return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec; }

/// Says how a message is cut, and how long it waited until `now`, if the kernel told.
static void note_control(cmesh_received *received, struct msghdr *message, const struct timespec *now) {
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level == LEVEL_UDP && header->cmsg_type == OPTION_UDP_GRO) {
            int segment;
            memcpy(&segment, CMSG_DATA(header), sizeof segment);
            received->segment_byte_count = (uint16_t)segment;
        } else if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec arrival;
            memcpy(&arrival, CMSG_DATA(header), sizeof arrival);
            int64_t waited = nanoseconds(now) - nanoseconds(&arrival);
            // The clock may be set back meanwhile.
            received->waited_nanoseconds = waited > 0 ? (uint64_t)waited : 0;
        }
    }
}

int cmesh_segments_receive(
    int descriptor, uint8_t *bytes, size_t slot_byte_count, cmesh_received *received, int count) {
    struct mmsghdr messages[CMESH_RECEIVE_BATCH_MAX];
    struct iovec contents[CMESH_RECEIVE_BATCH_MAX];
    struct sockaddr_in6 senders[CMESH_RECEIVE_BATCH_MAX];
    control_message controls[CMESH_RECEIVE_BATCH_MAX];
    if (count > CMESH_RECEIVE_BATCH_MAX) count = CMESH_RECEIVE_BATCH_MAX;
    for (int index = 0; index < count; index++) {
        contents[index].iov_base = bytes + (size_t)index * slot_byte_count;
        contents[index].iov_len = slot_byte_count;
        struct msghdr *message = &messages[index].msg_hdr;
        memset(message, 0, sizeof *message);
        message->msg_iov = &contents[index];
        message->msg_iovlen = 1;
        message->msg_name = &senders[index];
        message->msg_namelen = sizeof senders[index];
        message->msg_control = &controls[index];
        message->msg_controllen = sizeof controls[index];
    }
    int result;
    do {
        result = recvmmsg(descriptor, messages, (unsigned int)count, MSG_DONTWAIT, NULL);
    } while (result < 0 && errno == EINTR);
    if (result < 0) return -errno;
    struct timespec now = {0};
    // The clock of the times of arrival.
    clock_gettime(CLOCK_REALTIME, &now);
    for (int index = 0; index < result; index++) {
        struct msghdr *message = &messages[index].msg_hdr;
        received[index].byte_count = messages[index].msg_len;
        received[index].segment_byte_count = (uint16_t)messages[index].msg_len;
        received[index].waited_nanoseconds = 0;
        note_control(&received[index], message, &now);
        received[index].is_truncated = (message->msg_flags & MSG_TRUNC) != 0;
        note_sender(&received[index], &senders[index]);
    }
    return result;
}
