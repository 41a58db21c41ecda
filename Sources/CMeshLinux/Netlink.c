#include "CMeshLinux.h"
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int cmesh_netlink_open(int is_watching, int timeout_milliseconds) {
    int type = SOCK_RAW | SOCK_CLOEXEC | (is_watching ? SOCK_NONBLOCK : 0);
    int handle = socket(AF_NETLINK, type, NETLINK_ROUTE);
    if (handle < 0) return -errno;
    struct sockaddr_nl own = {.nl_family = AF_NETLINK};
    if (is_watching)
        own.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
    struct timeval timeout = {
        .tv_sec = timeout_milliseconds / 1000, .tv_usec = (timeout_milliseconds % 1000) * 1000};
    if (bind(handle, (struct sockaddr *)&own, sizeof own) < 0 ||
        setsockopt(handle, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) < 0) {
        int error = -errno;
        close(handle);
        return error;
    }
    return handle;
}

int cmesh_netlink_send(int descriptor, const void *bytes, size_t byte_count) {
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    long result;
    do {
        result = sendto(descriptor, bytes, byte_count, 0, (struct sockaddr *)&kernel, sizeof kernel);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

long cmesh_netlink_receive(int descriptor, void *bytes, size_t byte_count) {
    struct sockaddr_nl sender;
    long result;
    do {
        socklen_t length = sizeof sender;
        memset(&sender, 0, sizeof sender);
        result = recvfrom(descriptor, bytes, byte_count, MSG_TRUNC, (struct sockaddr *)&sender, &length);
    } while ((result < 0 && errno == EINTR) || (result >= 0 && sender.nl_pid != 0));
    if (result < 0) return -errno;
    return (size_t)result > byte_count ? -EMSGSIZE : result;
}
