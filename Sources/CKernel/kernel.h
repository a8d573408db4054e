/*
 * What Linux offers and Swift's Glibc module does not show: headers it leaves out, and functions
 * that are variadic, macros, or GNU extensions. Prototypes and static inline shims only. No GNU
 * feature macro is set here: it would change headers that the Glibc module has already read.
 */
#include <errno.h>
#include <linux/filter.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <glob.h>

extern char **environ;

static inline char **kernel_environment(void) { return environ; }
static inline void kernel_set_environment(char **value) { environ = value; }

static inline int kernel_accept4(int listener, struct sockaddr *address, socklen_t *length, int flags) {
    return (int)syscall(SYS_accept4, listener, address, length, flags);
}

static inline int kernel_open(const char *path, int flags, mode_t mode) {
    return open(path, flags, mode);
}

static inline int kernel_openat(int folder, const char *name, int flags, mode_t mode) {
    return openat(folder, name, flags, mode);
}

static inline int kernel_fcntl(int descriptor, int command, int argument) {
    return fcntl(descriptor, command, argument);
}

static inline int kernel_prctl(int option, unsigned long argument) {
    return prctl(option, argument, 0UL, 0UL, 0UL);
}

static inline int kernel_wait_exited(int status) { return WIFEXITED(status); }
static inline int kernel_wait_exit_code(int status) { return WEXITSTATUS(status); }
static inline int kernel_wait_signal(int status) { return WTERMSIG(status); }
static inline int kernel_wait_dumped_core(int status) { return WCOREDUMP(status) != 0; }

/* A handle on a process that stays that process's, whoever gets its number later. */
static inline int kernel_pidfd_open(pid_t process) { return (int)syscall(SYS_pidfd_open, process, 0U); }
static inline int kernel_pidfd_send_signal(int handle, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, handle, signal, (void *)0, 0U);
}

extern int execvpe(const char *program, char *const arguments[], char *const environment[]);

/* Who takes the jobs of Swift's runtime that are bound to no executor (swift/Runtime/Concurrency.h): C's way of
 * calling is Swift's for a function of two pointers. */
extern void (*swift_task_enqueueGlobal_hook)(void *job, void (*otherwise)(void *job));
static inline void kernel_take_jobs(void (*take)(void *job, void (*otherwise)(void *job))) {
    swift_task_enqueueGlobal_hook = take;
}

/* Overwrites memory in a way that no optimiser drops. */
extern void explicit_bzero(void *start, size_t length);
static inline void kernel_wipe(void *start, size_t length) { explicit_bzero(start, length); }

static inline uint64_t kernel_atomic_increment(uint64_t *place) {
    return __atomic_add_fetch(place, 1, __ATOMIC_RELAXED);
}

static inline int kernel_memfd(const char *name) {
    return (int)syscall(SYS_memfd_create, name, 1 /* MFD_CLOEXEC */);
}

static inline uint64_t kernel_atomic_add(uint64_t *place, uint64_t count) {
    return __atomic_fetch_add(place, count, __ATOMIC_RELAXED);
}

/* Puts `wanted` there if it holds `expected`. */
static inline int kernel_atomic_exchange(int32_t *place, int32_t expected, int32_t wanted) {
    return __atomic_compare_exchange_n(place, &expected, wanted, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static inline int32_t kernel_atomic_load(const int32_t *place) { return __atomic_load_n(place, __ATOMIC_ACQUIRE); }

/* Words that processes share. */
static inline uint64_t kernel_atomic_load_word(const uint64_t *place) { return __atomic_load_n(place, __ATOMIC_SEQ_CST); }
static inline void kernel_atomic_store_word(uint64_t *place, uint64_t value) { __atomic_store_n(place, value, __ATOMIC_SEQ_CST); }
static inline int kernel_atomic_exchange_word(uint64_t *place, uint64_t expected, uint64_t wanted) {
    return __atomic_compare_exchange_n(place, &expected, wanted, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
static inline uint64_t kernel_atomic_add_to_word(uint64_t *place, uint64_t number) {
    return __atomic_add_fetch(place, number, __ATOMIC_SEQ_CST);
}

/* Bit n of the mask is processor n. */
static inline int kernel_set_affinity(const void *mask, size_t size) {
    return (int)syscall(SYS_sched_setaffinity, 0, size, mask);
}
/* Returns the number of bytes written. */
static inline int kernel_get_affinity(void *mask, size_t size) {
    return (int)syscall(SYS_sched_getaffinity, 0, size, mask);
}

/* Sends a byte and a descriptor along with it, which the other process gets as one of its own. */
static inline ssize_t kernel_send_descriptor(int channel, uint8_t message, int descriptor) {
    union { struct cmsghdr header; char room[CMSG_SPACE(sizeof(int))]; } control;
    struct iovec part = { &message, 1 };
    struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room };
    memset(&control, 0, sizeof control);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &descriptor, sizeof(int));
    return sendmsg(channel, &header, MSG_NOSIGNAL);
}

/* Receives a byte, and the descriptor that came with it, or -1. It is closed by an exec. */
static inline ssize_t kernel_receive_descriptor(int channel, uint8_t *message, int *descriptor) {
    union { struct cmsghdr header; char room[CMSG_SPACE(sizeof(int))]; } control;
    struct iovec part = { message, 1 };
    struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room };
    ssize_t count = recvmsg(channel, &header, 0x40000000 /* MSG_CMSG_CLOEXEC */);
    struct cmsghdr *first = count > 0 ? CMSG_FIRSTHDR(&header) : (struct cmsghdr *)0;
    *descriptor = -1;
    if (first && first->cmsg_level == SOL_SOCKET && first->cmsg_type == SCM_RIGHTS)
        memcpy(descriptor, CMSG_DATA(first), sizeof(int));
    return count;
}

static inline int kernel_pipe(int ends[2]) {
    return (int)syscall(SYS_pipe2, ends, O_CLOEXEC | O_NONBLOCK);
}
static inline int kernel_set_pipe_capacity(int pipe, int size) { return fcntl(pipe, 1031 /* F_SETPIPE_SZ */, size); }
/* Moves without waiting, and without copying where that can be: SPLICE_F_MOVE, SPLICE_F_NONBLOCK. */
static inline ssize_t kernel_splice(int from, int to, size_t count) {
    return syscall(SYS_splice, from, (void *)0, to, (void *)0, count, 1U | 2U);
}
