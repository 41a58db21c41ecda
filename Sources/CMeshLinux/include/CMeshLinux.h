#pragma once
#include <stddef.h>
#include <stdint.h>

// The Linux calls that the Glibc module hides or that need C macros. No policy here.
// Each function returns a value of 0 or more, or a negated errno: Swift reads one value. EINTR is retried inside.

// ---- Files: descriptors ---------------------------------------------------------------------------------------------

/// close(2); the descriptor is gone whatever is returned.
int cmesh_close(int descriptor);
/// read(2): byte count, 0 at the end of a file.
long cmesh_read(int descriptor, void *_Nonnull bytes, size_t byte_count);
/// A part of a frame that lies in several places.
typedef struct {
    const void *_Nullable bytes;
    size_t byte_count;
} cmesh_piece;
/// writev(2): byte count.
long cmesh_write_pieces(int descriptor, const cmesh_piece *_Nonnull pieces, int count);
/// write(2): byte count.
long cmesh_write(int descriptor, const void *_Nonnull bytes, size_t byte_count);

// ---- Files: whole ---------------------------------------------------------------------------------------------------

typedef struct {
    uint32_t mode;
    uint32_t user_id;
    uint32_t group_id;
    int64_t byte_count;
} cmesh_file_status;

/// Opens for reading, close-on-exec, without waiting for the writer of a FIFO.
int cmesh_file_open_read(const char *_Nonnull path);
/// Opens a directory, for fsync(2).
int cmesh_directory_open(const char *_Nonnull path);
/// Creates a new file for writing: EEXIST when the name exists in any form, a symbolic link included.
int cmesh_file_create(const char *_Nonnull path, uint32_t mode);
/// fchmod(2): the mode exactly, without the umask.
int cmesh_file_set_mode(int descriptor, uint32_t mode);
int cmesh_file_status_read(int descriptor, cmesh_file_status *_Nonnull status);
int cmesh_file_is_regular(const cmesh_file_status *_Nonnull status);
int cmesh_sync(int descriptor);
/// rename(2).
int cmesh_rename(const char *_Nonnull from, const char *_Nonnull to);
/// Renames unless the target exists (EEXIST): renameat2(2), or link(2) where the filesystem does not know that.
int cmesh_rename_exclusive(const char *_Nonnull from, const char *_Nonnull to);
int cmesh_unlink(const char *_Nonnull path);

// ---- Network interfaces ---------------------------------------------------------------------------------------------

/// Opens /dev/net/tun close-on-exec and non-blocking.
int cmesh_tun_open(void);
/// What an interface of the TUN/TAP driver shall be: HEADER is IFF_VNET_HDR, a header of 10 bytes (linux/virtio_net.h) in
/// front of each frame; QUEUES is IFF_MULTI_QUEUE, several descriptors of one interface; FURTHER is one more of them.
enum { CMESH_TUN_TAP = 1, CMESH_TUN_HEADER = 2, CMESH_TUN_QUEUES = 4, CMESH_TUN_FURTHER = 8 };
/// TUNSETIFF with IFF_NO_PI and, without FURTHER, IFF_TUN_EXCL: EBUSY when an interface of that name exists.
int cmesh_tun_attach(int descriptor, const char *_Nonnull name, int kind);
/// TUNSETOFFLOAD: lets the kernel hand over frames without checksum, and TCP and UDP packets that are to be cut.
int cmesh_tun_set_offloads(int descriptor, int checksum, int tcp, int udp);
/// The index of an interface in the caller's network namespace.
int cmesh_interface_index(const char *_Nonnull name);
int cmesh_interface_set_mac(const char *_Nonnull name, const uint8_t *_Nonnull mac_6);
int cmesh_interface_mac(const char *_Nonnull name, uint8_t *_Nonnull mac_6);
int cmesh_interface_set_mtu(const char *_Nonnull name, int mtu);
int cmesh_interface_mtu(const char *_Nonnull name);
int cmesh_interface_set_up(const char *_Nonnull name);
int cmesh_interface_set_queue_length(const char *_Nonnull name, int packet_count);
/// IFLA_GSO_MAX_SIZE over rtnetlink(7): the kernel cuts packets on the interface that are longer, before they are read.
int cmesh_interface_set_gso_max(int index, uint32_t byte_count);
/// RTM_NEWADDR over rtnetlink(7), IPv4 (4 bytes) or IPv6 (16 bytes); EEXIST when the address is there already.
int cmesh_interface_add_address(int index, const uint8_t *_Nonnull address, int address_byte_count, int prefix_length);

// ---- UDP sockets ----------------------------------------------------------------------------------------------------

/// One datagram of a batch. Address and port are numbers in host order; version 4 has its 32 bits in `address_low`.
typedef struct {
    uint64_t address_high;
    uint64_t address_low;
    uint32_t offset;
    uint16_t byte_count;
    uint16_t port;
} cmesh_datagram;

enum { CMESH_DATAGRAM_BATCH_MAX = 64 };

/// A non-blocking UDP socket; of version 6: for version 6 only. DF is set, the size limit is the interface's MTU, and
/// ICMP does not change it (IP_PMTUDISC_PROBE of ip(7), IPV6_DONTFRAG of ipv6(7)).
int cmesh_datagram_socket_open(int is_version6);
/// SO_MARK (socket(7)): EPERM without CAP_NET_ADMIN.
int cmesh_socket_set_mark(int descriptor, uint32_t mark);
/// Asks for a receive buffer, beyond the system's limit where allowed; what the socket has then.
int cmesh_socket_set_receive_buffer(int descriptor, int byte_count);
/// Asks for a send buffer, beyond the system's limit where allowed; what the socket has then.
int cmesh_socket_set_send_buffer(int descriptor, int byte_count);
/// SO_REUSEPORT (socket(7)): sockets of this user that have it may be bound to one port, and share what comes.
int cmesh_socket_share_port(int descriptor);
/// Binds to all addresses of this host; the port, which the kernel chooses for 0.
int cmesh_datagram_socket_bind(int descriptor, int is_version6, uint16_t port);
/// A second descriptor of the same open file, close-on-exec.
int cmesh_descriptor_duplicate(int descriptor);
/// sendmmsg(2) of at most CMESH_DATAGRAM_BATCH_MAX datagrams, whose bytes lie at their offsets in `bytes`: how many
/// the kernel took, or the negated errno of the first.
int cmesh_datagrams_send(
    int descriptor, int is_version6, const uint8_t *_Nonnull bytes, const cmesh_datagram *_Nonnull datagrams,
    int count);

/// Datagrams of one length to one address, back to back; only the last of several may be shorter. Address and port as in
/// `cmesh_datagram`. `service_class` is the byte of IPv4's TOS and IPv6's traffic class.
typedef struct {
    uint64_t address_high;
    uint64_t address_low;
    uint32_t offset;
    uint32_t byte_count;
    uint16_t segment_byte_count;
    uint16_t segment_count;
    uint16_t port;
    uint8_t service_class;
} cmesh_segments;

enum { CMESH_SEGMENTS_BATCH_MAX = 64, CMESH_RECEIVE_BATCH_MAX = 8 };

/// What one receive gave: datagrams of one length from one address, back to back; the last may be shorter. Address and
/// port as in `cmesh_datagram`; how long they waited in the socket, 0 without times of arrival.
typedef struct {
    uint64_t address_high;
    uint64_t address_low;
    uint64_t waited_nanoseconds;
    uint32_t byte_count;
    uint16_t segment_byte_count;
    uint16_t port;
    uint16_t is_truncated;
} cmesh_received;

/// Whether the kernel knows UDP_SEGMENT: 0, or the negated errno.
int cmesh_datagram_probe_segmentation(int descriptor);
/// UDP_GRO: datagrams that came one after the other are received as one.
int cmesh_datagram_set_receive_offload(int descriptor, int is_on);
/// SO_TIMESTAMPNS (socket(7)): what is received has its time of arrival with it.
int cmesh_socket_set_arrival_times(int descriptor);
/// sendmmsg(2) of at most CMESH_SEGMENTS_BATCH_MAX messages, with UDP_SEGMENT where there are several datagrams in one:
/// how many the kernel took, or the negated errno of the first.
int cmesh_segments_send(
    int descriptor, int is_version6, const uint8_t *_Nonnull bytes, const cmesh_segments *_Nonnull segments, int count);
/// recvmmsg(2) without waiting, of at most CMESH_RECEIVE_BATCH_MAX messages, the one at index i to
/// `bytes + i * slot_byte_count`: how many came, or a negated errno.
int cmesh_segments_receive(
    int descriptor, uint8_t *_Nonnull bytes, size_t slot_byte_count, cmesh_received *_Nonnull received, int count);

// ---- rtnetlink ------------------------------------------------------------------------------------------------------

/// A socket of rtnetlink(7). A watching one gets the changes of links and addresses and does not wait; another one
/// waits at most the given time for an answer.
int cmesh_netlink_open(int is_watching, int timeout_milliseconds);
int cmesh_netlink_send(int descriptor, const void *_Nonnull bytes, size_t byte_count);
/// The messages of one read, from the kernel only. -ENOBUFS: messages were lost; -EMSGSIZE: the buffer is too short.
long cmesh_netlink_receive(int descriptor, void *_Nonnull bytes, size_t byte_count);

// ---- Waiting --------------------------------------------------------------------------------------------------------

/// Layout twin of `struct epoll_event`, whose packing Swift does not import.
typedef struct {
    uint32_t events;
    uint64_t token;
} __attribute__((packed)) cmesh_epoll_event;

enum { CMESH_READABLE = 1, CMESH_WRITABLE = 4, CMESH_ERROR = 8, CMESH_HANG_UP = 16 };

int cmesh_epoll_create(void);
int cmesh_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t token);
int cmesh_epoll_modify(int epoll, int descriptor, uint32_t events, uint64_t token);
int cmesh_epoll_remove(int epoll, int descriptor);
/// Waits at most `timeout_nanoseconds` (negative: without end). A signal ends the wait with 0 events.
int cmesh_epoll_wait(int epoll, cmesh_epoll_event *_Nonnull events, int event_count_max, int64_t timeout_nanoseconds);
/// eventfd(2), close-on-exec and non-blocking.
int cmesh_eventfd_create(void);

// ---- Local sockets --------------------------------------------------------------------------------------------------

/// Sends one datagram to a Unix socket; a first byte '@' names the abstract namespace (unix(7)).
int cmesh_unix_datagram_send(const char *_Nonnull path, const void *_Nonnull bytes, size_t byte_count);
/// A listening SOCK_SEQPACKET socket, mode 0600, non-blocking; EADDRINUSE when the path exists.
int cmesh_unix_listen(const char *_Nonnull path);
/// A connection's descriptor, non-blocking.
int cmesh_unix_accept(int descriptor);
/// A connection's descriptor, blocking.
int cmesh_unix_connect(const char *_Nonnull path);
/// send(2) without SIGPIPE.
long cmesh_send(int descriptor, const void *_Nonnull bytes, size_t byte_count);

// ---- Process and threads --------------------------------------------------------------------------------------------

/// Names the calling thread (at most 15 bytes).
int cmesh_thread_set_name(const char *_Nonnull name);
/// Blocks each signal in the calling thread and stores the former mask.
int cmesh_signals_block_all(void *_Nonnull former_mask, size_t mask_byte_count);
int cmesh_signals_restore(const void *_Nonnull former_mask, size_t mask_byte_count);
/// The calling thread's timers end at most this late.
int cmesh_thread_set_timer_slack(unsigned long nanoseconds);
/// Has the scheduler let the calling thread run for so long at a stretch; whoever asks for less comes sooner (sched_setattr(2),
/// sched_runtime of SCHED_OTHER, since Linux 6.12; earlier ones take no notice of it).
int cmesh_thread_set_slice(unsigned long long nanoseconds);
/// Moves the calling thread into a new network namespace.
int cmesh_network_namespace_unshare(void);
/// Moves the calling thread into the network namespace at `path` (as under /run/netns).
int cmesh_network_namespace_enter(const char *_Nonnull path);
/// Gives the calling thread mounts of its own, from which nothing spreads.
int cmesh_mount_namespace_unshare(void);
/// Leaves the calling thread with the capabilities whose bits are set, of the first 32.
int cmesh_capabilities_keep(uint32_t capabilities);
/// Processors that the calling thread may run on, or a negated errno.
int cmesh_processor_count(void);
/// Unmaps the code and constants of the program and its libraries, which are read from their files again where they are used
/// (madvise(2), MADV_DONTNEED), and gives freed memory back (malloc_trim(3)).
int cmesh_process_forget_set_up(void);
/// Nanoseconds of a clock of clock_gettime(2).
int64_t cmesh_clock(int clock);
/// The words of an errno ("No such file or directory"); never NULL.
const char *_Nonnull cmesh_error_text(int error);
/// The name of an errno ("ENOENT"); never NULL.
const char *_Nonnull cmesh_error_name(int error);
/// getrandom(2).
int cmesh_random(void *_Nonnull bytes, size_t byte_count);
