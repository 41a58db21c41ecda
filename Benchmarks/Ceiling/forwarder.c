// The limit that the data plane is held against: one thread, one peer, one fixed key, and nothing of what a mesh needs (no
// handshake, replay window, switch, paths). TSO frames of a TAP device are cut into real segments, sealed, sent with
// UDP_SEGMENT, received with UDP_GRO, opened, and joined to one large frame again.
//
//     forwarder TAP LOCAL-ADDRESS REMOTE-ADDRESS PORT chacha|none
//
// A datagram: counter (8), padding (4), frame behind a vnet header (virtio_net.h), tag (16). Ends at SIGTERM.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/udp.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

// BoringSSL as swift-crypto vendors it: the prototypes of openssl/aead.h with that package's prefix.
typedef struct evp_aead_st aead;
typedef struct evp_aead_ctx_st aead_context;
const aead *CCryptoBoringSSL_EVP_aead_chacha20_poly1305(void);
aead_context *CCryptoBoringSSL_EVP_AEAD_CTX_new(const aead *, const uint8_t *, size_t, size_t);
int CCryptoBoringSSL_EVP_AEAD_CTX_seal(
    const aead_context *, uint8_t *, size_t *, size_t, const uint8_t *, size_t, const uint8_t *, size_t, const uint8_t *,
    size_t);
int CCryptoBoringSSL_EVP_AEAD_CTX_open(
    const aead_context *, uint8_t *, size_t *, size_t, const uint8_t *, size_t, const uint8_t *, size_t, const uint8_t *,
    size_t);

enum {
    HEADER = 12,
    TAG = 16,
    VNET = 10,
    ETHERNET = 14,
    SLOT = 1 << 16,
    SENDS = 64,         // messages of one sendmmsg
    SEND_MAX = 65507,   // UDP payload
    SEGMENTS_MAX = 44,  // of one UDP_SEGMENT
    RECEIVES = 8,       // messages of one recvmmsg
    PIECES = 64,        // iovecs of one joined frame
    TAP_READS = 32,     // frames read before anything is sent
};
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

static int tap, udp;
static aead_context *key;
static uint64_t counter;
static volatile sig_atomic_t stopping;

static void stop(int signal) {
    (void)signal;
    stopping = 1;
}

static void need(bool holds, const char *what) {
    if (holds) return;
    perror(what);
    exit(1);
}

static uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static void put16(uint8_t *p, uint32_t value) {
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}
static uint32_t get32(const uint8_t *p) { return (uint32_t)get16(p) << 16 | get16(p + 2); }
static void put32(uint8_t *p, uint32_t value) {
    put16(p, value >> 16);
    put16(p + 2, value & 0xffff);
}
static uint32_t sum(const uint8_t *p, int count, uint32_t start) {
    for (int i = 0; i < count; i += 2) start += get16(p + i);
    return start;
}
static uint16_t fold(uint32_t value) {
    while (value >> 16) value = (value & 0xffff) + (value >> 16);
    return (uint16_t)value;
}

// Seals the content that lies behind the header; returns the datagram's length.
static int seal(uint8_t *datagram, int count) {
    uint64_t number = counter++;
    memcpy(datagram, &number, 8);
    memset(datagram + 8, 0, 4);
    size_t out = (size_t)count + TAG;
    if (key)
        CCryptoBoringSSL_EVP_AEAD_CTX_seal(
            key, datagram + HEADER, &out, out, datagram, 12, datagram + HEADER, (size_t)count, datagram, HEADER);
    return HEADER + (int)out;
}

static int opened(uint8_t *datagram, int count) {
    if (count < HEADER + TAG) return -1;
    if (!key) return count - HEADER - TAG;
    size_t out = 0;
    int good = CCryptoBoringSSL_EVP_AEAD_CTX_open(
        key, datagram + HEADER, &out, (size_t)(count - HEADER), datagram, 12, datagram + HEADER,
        (size_t)(count - HEADER), datagram, HEADER);
    return good ? (int)out : -1;
}

// ---- Sending: datagrams of equal length share a message ----

static uint8_t *send_slab;
static struct {
    int byte_count, segment, count;
    bool closed;
} sends[SENDS];
static int send_count;

static void flush(void) {
    static struct mmsghdr messages[SENDS];
    static struct iovec contents[SENDS];
    static union {
        char bytes[CMSG_SPACE(2)];
        struct cmsghdr header;
    } controls[SENDS];
    for (int i = 0; i < send_count; i++) {
        contents[i] = (struct iovec){send_slab + (size_t)i * SLOT, (size_t)sends[i].byte_count};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &contents[i], .msg_iovlen = 1};
        if (sends[i].count < 2) continue;
        messages[i].msg_hdr.msg_control = &controls[i];
        messages[i].msg_hdr.msg_controllen = sizeof controls[i];
        struct cmsghdr *control = CMSG_FIRSTHDR(&messages[i].msg_hdr);
        *control = (struct cmsghdr){.cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT, .cmsg_len = CMSG_LEN(2)};
        uint16_t size = (uint16_t)sends[i].segment;
        memcpy(CMSG_DATA(control), &size, 2);
    }
    for (int done = 0; done < send_count;) {
        int result = sendmmsg(udp, messages + done, (unsigned)(send_count - done), 0);
        if (result < 0 && errno == EINTR) continue;
        done += result < 0 ? 1 : result;
    }
    send_count = 0;
}

static uint8_t *place(int count) {
    int last = send_count - 1;
    if (send_count > 0 && !sends[last].closed && count <= sends[last].segment && sends[last].count < SEGMENTS_MAX &&
        sends[last].byte_count + count <= SEND_MAX)
        return send_slab + (size_t)last * SLOT + sends[last].byte_count;
    if (send_count == SENDS) flush();
    sends[send_count].byte_count = sends[send_count].count = 0;
    sends[send_count].segment = count;
    sends[send_count].closed = false;
    return send_slab + (size_t)send_count++ * SLOT;
}

static void commit(int count) {
    int last = send_count - 1;
    sends[last].byte_count += count;
    sends[last].count++;
    sends[last].closed = count < sends[last].segment;
}

// One segment of a TSO or USO frame, with its own headers; the checksum stays for the receiving kernel.
static void send_segment(const uint8_t *frame, const struct virtio_net_hdr *vnet, int headers, int offset, int count,
                         int index, bool is_last) {
    int transport = vnet->csum_start, length = headers - transport + count;
    bool is_tcp = (vnet->gso_type & 0x7f) != VIRTIO_NET_HDR_GSO_UDP_L4, is_version6 = frame[ETHERNET] >> 4 == 6;
    uint8_t *datagram = place(HEADER + VNET + headers + count + TAG), *out = datagram + HEADER + VNET;
    struct virtio_net_hdr own = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM};
    own.csum_start = vnet->csum_start;
    own.csum_offset = vnet->csum_offset;
    memcpy(datagram + HEADER, &own, VNET);
    memcpy(out, frame, (size_t)headers);
    memcpy(out + headers, frame + headers + offset, (size_t)count);
    uint8_t *ip = out + ETHERNET;
    if (is_version6) {
        put16(ip + 4, (uint32_t)length);
    } else {
        put16(ip + 2, (uint32_t)(transport - ETHERNET + length));
        put16(ip + 4, get16(ip + 4) + (uint32_t)index);
        put16(ip + 10, 0);
        put16(ip + 10, (uint16_t)~fold(sum(ip, transport - ETHERNET, 0)));
    }
    uint32_t pseudo = is_version6 ? sum(ip + 8, 32, 0) : sum(ip + 12, 8, 0);
    pseudo = fold(pseudo + (is_tcp ? IPPROTO_TCP : IPPROTO_UDP) + (uint32_t)length);
    uint8_t *header = out + transport;
    if (is_tcp) {
        put32(header + 4, get32(header + 4) + (uint32_t)offset);
        if (!is_last) header[13] &= (uint8_t)~0x09;
        if (index > 0) header[13] &= (uint8_t)~0x80;
        put16(header + 16, pseudo);
    } else {
        put16(header + 4, (uint32_t)length);
        put16(header + 6, pseudo);
    }
    commit(seal(datagram, VNET + headers + count));
}

static void send_frame(const uint8_t *bytes, int count) {
    struct virtio_net_hdr vnet;
    memcpy(&vnet, bytes, VNET);
    const uint8_t *frame = bytes + VNET;
    if (vnet.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
        uint8_t *datagram = place(HEADER + count + TAG);
        memcpy(datagram + HEADER, bytes, (size_t)count);
        commit(seal(datagram, count));
        return;
    }
    bool is_tcp = (vnet.gso_type & 0x7f) != VIRTIO_NET_HDR_GSO_UDP_L4;
    int headers = vnet.csum_start + (is_tcp ? (frame[vnet.csum_start + 12] >> 4) * 4 : 8);
    int payload = count - VNET - headers;
    for (int offset = 0, index = 0; offset < payload; offset += vnet.gso_size, index++) {
        int size = payload - offset < vnet.gso_size ? payload - offset : vnet.gso_size;
        send_segment(frame, &vnet, headers, offset, size, index, offset + size == payload);
    }
}

static int read_tap(void) {
    static uint8_t bytes[2 * SLOT];
    int count = 0;
    for (; count < TAP_READS; count++) {
        long size = read(tap, bytes, sizeof bytes);
        if (size <= VNET) break;
        send_frame(bytes, (int)size);
    }
    flush();
    return count;
}

// ---- Receiving: consecutive segments of a TCP stream become one frame again ----

static struct {
    struct iovec pieces[PIECES];
    int piece_count, headers, payload, segment;
    uint32_t next;
    uint8_t *first;
    bool is_version6, closed;
} run;

static void finish(void) {
    if (run.piece_count == 0) return;
    if (run.piece_count > 1) {
        struct virtio_net_hdr vnet;
        memcpy(&vnet, run.first, VNET);
        uint8_t *frame = run.first + VNET, *ip = frame + ETHERNET;
        int transport = vnet.csum_start, length = run.headers - transport + run.payload;
        if (run.is_version6) {
            put16(ip + 4, (uint32_t)length);
        } else {
            put16(ip + 2, (uint32_t)(transport - ETHERNET + length));
            put16(ip + 10, 0);
            put16(ip + 10, (uint16_t)~fold(sum(ip, transport - ETHERNET, 0)));
        }
        uint32_t pseudo = run.is_version6 ? sum(ip + 8, 32, 0) : sum(ip + 12, 8, 0);
        put16(frame + transport + 16, fold(pseudo + IPPROTO_TCP + (uint32_t)length));
        vnet.gso_type = run.is_version6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
        vnet.gso_size = (uint16_t)run.segment;
        vnet.hdr_len = (uint16_t)run.headers;
        memcpy(run.first, &vnet, VNET);
    }
    // What the kernel does not take is lost, as on a wire.
    if (writev(tap, run.pieces, run.piece_count) < 0) errno = 0;
    run.piece_count = 0;
}

static bool continues(const uint8_t *frame, int headers, int payload, uint32_t sequence, bool is_version6, int tcp) {
    const uint8_t *other = run.first + VNET;
    if (run.closed || run.piece_count == 0 || run.piece_count == PIECES || headers != run.headers ||
        is_version6 != run.is_version6 || sequence != run.next || payload > run.segment ||
        run.payload + payload + headers > 65000)
        return false;
    bool same = is_version6 ? !memcmp(frame, other, 18) && !memcmp(frame + 20, other + 20, 34)
                            : !memcmp(frame, other, 16) && !memcmp(frame + 20, other + 20, 4) &&
                                  !memcmp(frame + 26, other + 26, 8);
    return same && !memcmp(frame + tcp, other + tcp, 4) && !memcmp(frame + tcp + 8, other + tcp + 8, 5) &&
           !memcmp(frame + tcp + 14, other + tcp + 14, 2) &&
           !memcmp(frame + tcp + 18, other + tcp + 18, (size_t)(headers - tcp - 18));
}

static void receive_frame(uint8_t *datagram, int count) {
    int size = opened(datagram, count);
    if (size < VNET + ETHERNET + 20) return;
    uint8_t *bytes = datagram + HEADER, *frame = bytes + VNET;
    struct virtio_net_hdr vnet;
    memcpy(&vnet, bytes, VNET);
    int tcp = vnet.csum_start;
    bool is_version6 = get16(frame + 12) == 0x86dd;
    bool is_tcp = (vnet.flags & 1) && vnet.csum_offset == 16 && (is_version6 || get16(frame + 12) == 0x0800) &&
                  tcp + 20 <= size - VNET;
    int headers = is_tcp ? tcp + (frame[tcp + 12] >> 4) * 4 : 0, payload = size - VNET - headers;
    if (!is_tcp || payload <= 0 || (frame[tcp + 13] & ~0x18)) {
        finish();
        if (write(tap, bytes, (size_t)size) < 0) errno = 0;
        return;
    }
    uint8_t flags = frame[tcp + 13];
    uint32_t sequence = get32(frame + tcp + 4);
    if (continues(frame, headers, payload, sequence, is_version6, tcp)) {
        run.pieces[run.piece_count++] = (struct iovec){frame + headers, (size_t)payload};
        run.payload += payload;
        run.next += (uint32_t)payload;
        if (flags & 8) run.first[VNET + tcp + 13] |= 8;
        run.closed = (flags & 8) || payload < run.segment;
        return;
    }
    finish();
    run.pieces[0] = (struct iovec){bytes, (size_t)size};
    run.piece_count = 1;
    run.first = bytes;
    run.headers = headers;
    run.payload = run.segment = payload;
    run.next = sequence + (uint32_t)payload;
    run.is_version6 = is_version6;
    run.closed = (flags & 8) != 0;
}

static uint8_t *receive_slab;

static void read_udp(void) {
    static struct mmsghdr messages[RECEIVES];
    static struct iovec contents[RECEIVES];
    static union {
        char bytes[CMSG_SPACE(4)];
        struct cmsghdr header;
    } controls[RECEIVES];
    for (int i = 0; i < RECEIVES; i++) {
        contents[i] = (struct iovec){receive_slab + (size_t)i * SLOT, SLOT};
        messages[i].msg_hdr = (struct msghdr){
            .msg_iov = &contents[i], .msg_iovlen = 1, .msg_control = &controls[i], .msg_controllen = sizeof controls[i]};
    }
    int result = recvmmsg(udp, messages, RECEIVES, MSG_DONTWAIT, NULL);
    for (int i = 0; i < result; i++) {
        int count = (int)messages[i].msg_len, segment = count;
        struct cmsghdr *control = CMSG_FIRSTHDR(&messages[i].msg_hdr);
        if (control && control->cmsg_level == SOL_UDP && control->cmsg_type == UDP_GRO)
            memcpy(&segment, CMSG_DATA(control), sizeof segment);
        if (segment <= 0) continue;
        for (int offset = 0; offset < count; offset += segment)
            receive_frame(
                receive_slab + (size_t)i * SLOT + offset, count - offset < segment ? count - offset : segment);
    }
    finish();
}

// ---- Set-up ----

static void open_tap(const char *name) {
    tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    need(tap >= 0, "/dev/net/tun");
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    need(ioctl(tap, TUNSETIFF, &request) == 0, "TUNSETIFF");
    unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
    if (ioctl(tap, TUNSETOFFLOAD, offloads | TUN_F_USO4 | TUN_F_USO6) != 0)
        need(ioctl(tap, TUNSETOFFLOAD, offloads) == 0, "TUNSETOFFLOAD");
}

static void open_udp(const char *local, const char *remote, int port) {
    udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    int buffer = 7 << 20, on = 1;
    setsockopt(udp, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
    setsockopt(udp, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
    need(setsockopt(udp, SOL_UDP, UDP_GRO, &on, sizeof on) == 0, "UDP_GRO");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, local, &address.sin_addr);
    need(bind(udp, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    inet_pton(AF_INET, remote, &address.sin_addr);
    need(connect(udp, (struct sockaddr *)&address, sizeof address) == 0, "connect");
}

int main(int count, char **arguments) {
    if (count != 6) {
        fprintf(stderr, "usage: forwarder TAP LOCAL-ADDRESS REMOTE-ADDRESS PORT chacha|none\n");
        return 2;
    }
    signal(SIGTERM, stop);
    open_tap(arguments[1]);
    open_udp(arguments[2], arguments[3], atoi(arguments[4]));
    uint8_t bytes[32] = {7};
    if (strcmp(arguments[5], "none") != 0)
        key = CCryptoBoringSSL_EVP_AEAD_CTX_new(CCryptoBoringSSL_EVP_aead_chacha20_poly1305(), bytes, 32, TAG);
    send_slab = malloc((size_t)SENDS * SLOT);
    receive_slab = malloc((size_t)RECEIVES * SLOT);
    need(send_slab && receive_slab, "malloc");
    struct pollfd events[2] = {{.fd = tap, .events = POLLIN}, {.fd = udp, .events = POLLIN}};
    while (!stopping) {
        if (poll(events, 2, -1) < 0) continue;
        if (events[1].revents) read_udp();
        if (events[0].revents) read_tap();
    }
    return 0;
}
