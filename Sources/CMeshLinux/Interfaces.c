#include "CMeshLinux.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int cmesh_tun_open(void) {
    int result;
    do {
        result = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : result;
}

static int request_named(struct ifreq *request, const char *name) {
    memset(request, 0, sizeof *request);
    size_t count = strlen(name);
    if (count == 0 || count >= IFNAMSIZ) return -EINVAL;
    memcpy(request->ifr_name, name, count);
    return 0;
}

int cmesh_tun_attach(int descriptor, const char *name, int kind) {
    struct ifreq request;
    int error = request_named(&request, name);
    if (error < 0) return error;
    int flags = IFF_NO_PI | (kind & CMESH_TUN_TAP ? IFF_TAP : IFF_TUN);
    if (kind & CMESH_TUN_HEADER) flags |= IFF_VNET_HDR;
    if (kind & CMESH_TUN_QUEUES) flags |= IFF_MULTI_QUEUE;
    if (!(kind & CMESH_TUN_FURTHER)) flags |= IFF_TUN_EXCL;
    request.ifr_flags = (short)flags;
    return ioctl(descriptor, TUNSETIFF, &request) < 0 ? -errno : 0;
}

// Newer than the headers of Debian 12 (Linux 6.2).
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

int cmesh_tun_set_offloads(int descriptor, int checksum, int tcp, int udp) {
    unsigned int flags = 0;
    if (checksum) flags |= TUN_F_CSUM;
    if (tcp) flags |= TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    if (udp) flags |= TUN_F_USO4 | TUN_F_USO6;
    return ioctl(descriptor, TUNSETOFFLOAD, flags) < 0 ? -errno : 0;
}

/// Runs an interface ioctl on a socket of its own: netdevice(7) takes any socket.
static int interface_request(unsigned long operation, struct ifreq *request) {
    int handle = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (handle < 0) return -errno;
    int result = ioctl(handle, operation, request) < 0 ? -errno : 0;
    close(handle);
    return result;
}

int cmesh_interface_index(const char *name) {
    struct ifreq request;
    int error = request_named(&request, name);
    if (error < 0) return error;
    error = interface_request(SIOCGIFINDEX, &request);
    return error < 0 ? error : request.ifr_ifindex;
}

int cmesh_interface_set_mac(const char *name, const uint8_t *mac) {
    struct ifreq request;
    int error = request_named(&request, name);
    if (error < 0) return error;
    request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    memcpy(request.ifr_hwaddr.sa_data, mac, 6);
    return interface_request(SIOCSIFHWADDR, &request);
}

int cmesh_interface_mac(const char *name, uint8_t *mac) {
    struct ifreq request;
    int error = request_named(&request, name);
    if (error < 0) return error;
    error = interface_request(SIOCGIFHWADDR, &request);
    if (error == 0) memcpy(mac, request.ifr_hwaddr.sa_data, 6);
    return error;
}

int cmesh_interface_set_mtu(const char *name, int mtu) {
    struct ifreq request;
    int error = request_named(&request, name);
    if (error < 0) return error;
    request.ifr_mtu = mtu;
    return interface_request(SIOCSIFMTU, &request);
}

int cmesh_interface_mtu(const char *name) {
    struct ifreq request;
    int error = request_named(&request, name);
    if (error < 0) return error;
    error = interface_request(SIOCGIFMTU, &request);
    return error < 0 ? error : request.ifr_mtu;
}

int cmesh_interface_set_up(const char *name) {
    struct ifreq request;
    int error = request_named(&request, name);
    if (error < 0) return error;
    error = interface_request(SIOCGIFFLAGS, &request);
    if (error < 0) return error;
    request.ifr_flags |= IFF_UP;
    return interface_request(SIOCSIFFLAGS, &request);
}

int cmesh_interface_set_queue_length(const char *name, int packet_count) {
    struct ifreq request;
    int error = request_named(&request, name);
    if (error < 0) return error;
    request.ifr_qlen = packet_count;
    return interface_request(SIOCSIFTXQLEN, &request);
}

typedef struct {
    struct nlmsghdr header;
    struct ifaddrmsg body;
    char attributes[128];
} address_request;

static void append_attribute(address_request *request, unsigned short type, const void *bytes, size_t byte_count) {
    struct rtattr *attribute = (struct rtattr *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = (unsigned short)RTA_LENGTH(byte_count);
    memcpy(RTA_DATA(attribute), bytes, byte_count);
    request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
}

/// Sends one request to rtnetlink(7) and reads its acknowledgement.
static int acknowledged(const struct nlmsghdr *request) {
    int handle = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (handle < 0) return -errno;
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    int result = 0;
    if (sendto(handle, request, request->nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0) {
        result = -errno;
    } else {
        _Alignas(struct nlmsghdr) char reply[1024];
        long count;
        do {
            count = recv(handle, reply, sizeof reply, 0);
        } while (count < 0 && errno == EINTR);
        const struct nlmsghdr *header = (const struct nlmsghdr *)reply;
        if (count < 0) {
            result = -errno;
        } else if (count < (long)NLMSG_LENGTH(sizeof(struct nlmsgerr)) || header->nlmsg_type != NLMSG_ERROR) {
            result = -EPROTO;
        } else {
            result = ((const struct nlmsgerr *)NLMSG_DATA(header))->error;
        }
    }
    close(handle);
    return result;
}

int cmesh_interface_add_address(int index, const uint8_t *address, int address_byte_count, int prefix_length) {
    int is_version6 = address_byte_count == 16;
    if ((!is_version6 && address_byte_count != 4) || prefix_length < 0 || prefix_length > address_byte_count * 8)
        return -EINVAL;
    address_request request;
    memset(&request, 0, sizeof request);
    request.header.nlmsg_len = NLMSG_LENGTH(sizeof request.body);
    request.header.nlmsg_type = RTM_NEWADDR;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    request.header.nlmsg_seq = 1;
    request.body.ifa_family = is_version6 ? AF_INET6 : AF_INET;
    request.body.ifa_prefixlen = (unsigned char)prefix_length;
    request.body.ifa_index = (unsigned int)index;
    append_attribute(&request, IFA_LOCAL, address, (size_t)address_byte_count);
    append_attribute(&request, IFA_ADDRESS, address, (size_t)address_byte_count);
    // A prefix of 31 or 32 bits has no broadcast address (RFC 3021 section 2.1).
    if (!is_version6 && prefix_length <= 30) {
        uint32_t broadcast;
        memcpy(&broadcast, address, 4);
        broadcast |= htonl(prefix_length == 0 ? UINT32_MAX : UINT32_MAX >> prefix_length);
        append_attribute(&request, IFA_BROADCAST, &broadcast, sizeof broadcast);
    }
    return acknowledged(&request.header);
}

// Newer than the headers of Debian 12 (Linux 6.3).
enum { GSO_MAX_SIZE = 41, GSO_IPV4_MAX_SIZE = 63 };

typedef struct {
    struct nlmsghdr header;
    struct ifinfomsg body;
    struct rtattr attribute;
    uint32_t value;
} link_request;

int cmesh_interface_set_gso_max(int index, uint32_t byte_count) {
    // For IPv4 a limit of its own since Linux 6.3; older kernels do not know it and use the first for both.
    static const unsigned short attributes[] = {GSO_MAX_SIZE, GSO_IPV4_MAX_SIZE};
    int result = 0;
    for (int number = 0; number < 2; number++) {
        link_request request;
        memset(&request, 0, sizeof request);
        request.header.nlmsg_len = sizeof request;
        request.header.nlmsg_type = RTM_NEWLINK;
        request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
        request.header.nlmsg_seq = 1;
        request.body.ifi_family = AF_UNSPEC;
        request.body.ifi_index = index;
        request.attribute.rta_len = RTA_LENGTH(sizeof byte_count);
        request.attribute.rta_type = attributes[number];
        request.value = byte_count;
        int answer = acknowledged(&request.header);
        if (number == 0) result = answer;
    }
    return result;
}
