/* SPDX-License-Identifier: Apache-2.0
 *
 * Preloaded into a server under test: writes down what it does to files below PACKHOUSE_SHIM_ROOT, in the log file
 * PACKHOUSE_SHIM_LOG, so that tests/crash/disk.py can tell what a power cut would have left. With
 * PACKHOUSE_SHIM_EIO=FILE the next fsync of a path that holds the text in FILE fails with EIO, and FILE is gone.
 *
 * A record is a header and two texts. What changes a file is written down after it was done, the beginning of an fsync
 * before it: so an fsync is never credited with what came after it. Each record is one write() to a file opened with
 * O_APPEND, so that those of many processes stand in order.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST 65536

struct __attribute__((packed)) head {
    char kind;
    uint64_t inode, number;
    uint32_t first, second;
};

static int log_fd = -1;
static char root[PATH_MAX];
static size_t root_length;
static const char *failing;
static atomic_int counter;
static unsigned char tracked[MOST];

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("PACKHOUSE_SHIM_LOG"), *where = getenv("PACKHOUSE_SHIM_ROOT");
    failing = getenv("PACKHOUSE_SHIM_EIO");
    if (!where) return;
    snprintf(root, sizeof root, "%s", where);
    root_length = strlen(root);
    if (!log) return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    log_fd = fcntl(fd, F_DUPFD_CLOEXEC, 700);
    syscall(SYS_close, fd);
}

static void note(char kind, uint64_t inode, uint64_t number, const void *a, size_t na, const void *b, size_t nb) {
    if (log_fd < 0) return;
    int saved = errno;
    struct head h = {kind, inode, number, (uint32_t)na, (uint32_t)nb};
    char *buffer = malloc(sizeof h + na + nb);
    memcpy(buffer, &h, sizeof h);
    if (na) memcpy(buffer + sizeof h, a, na);
    if (nb) memcpy(buffer + sizeof h + na, b, nb);
    if (syscall(SYS_write, log_fd, buffer, sizeof h + na + nb) < 0) abort();
    free(buffer);
    errno = saved;
}

static void absolute(int at, const char *path, char *out) {
    char folder[PATH_MAX] = "", link[64];
    if (path[0] != '/') {
        if (at == AT_FDCWD) {
            if (!getcwd(folder, sizeof folder)) folder[0] = 0;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", at);
            ssize_t n = readlink(link, folder, sizeof folder - 1);
            folder[n > 0 ? n : 0] = 0;
        }
    }
    if (path[0] == '/') snprintf(out, PATH_MAX, "%s", path);
    else snprintf(out, PATH_MAX, "%.*s/%s", PATH_MAX / 2, folder, path);
}

static int ours(const char *path) {
    return root_length && strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || !path[root_length]);
}

static uint64_t inode_of(int fd) {
    struct stat s;
    return fstat(fd, &s) == 0 ? s.st_ino : 0;
}

static int is_tracked(int fd) { return fd >= 0 && fd < MOST && tracked[fd]; }

static int opened(int fd, const char *path, int flags, int existed) {
    if (fd < 0 || fd >= MOST) return fd;
    tracked[fd] = 0;
    if (!ours(path) || (flags & O_TMPFILE) == O_TMPFILE) return fd;
    tracked[fd] = 1;
    if ((flags & O_CREAT) && !existed) note('C', inode_of(fd), 0, path, strlen(path), 0, 0);
    else if (flags & O_TRUNC) note('T', inode_of(fd), 0, 0, 0, 0, 0);
    return fd;
}

static int (*real_openat)(int, const char *, int, ...);
#define MODE(flags) mode_t mode = 0; \
    if ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE) { va_list l; va_start(l, flags); mode = va_arg(l, mode_t); va_end(l); }

static int hooked_open(int at, const char *path, int flags, mode_t mode) {
    if (!real_openat) real_openat = dlsym(RTLD_NEXT, "openat");
    char full[PATH_MAX];
    absolute(at, path, full);
    int existed = ours(full) && syscall(SYS_faccessat, AT_FDCWD, full, F_OK) == 0;
    return opened(real_openat(at, path, flags, mode), full, flags, existed);
}

int open(const char *path, int flags, ...) { MODE(flags) return hooked_open(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return hooked_open(AT_FDCWD, path, flags | O_LARGEFILE, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags) return hooked_open(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags) return hooked_open(at, path, flags | O_LARGEFILE, mode); }

int close(int fd) {
    REAL(close);
    if (fd >= 0 && fd < MOST) tracked[fd] = 0;
    return real(fd);
}

static void wrote(int fd, const void *data, ssize_t count, off_t at) {
    if (count > 0 && is_tracked(fd)) note('W', inode_of(fd), (uint64_t)at, data, (size_t)count, 0, 0);
}

ssize_t write(int fd, const void *data, size_t count) {
    REAL(write);
    ssize_t done = real(fd, data, count);
    if (done > 0 && is_tracked(fd)) wrote(fd, data, done, lseek(fd, 0, SEEK_CUR) - done);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t count, off_t at) {
    REAL(pwrite);
    ssize_t done = real(fd, data, count, at);
    wrote(fd, data, done, at);
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t count, off64_t at) {
    REAL(pwrite64);
    ssize_t done = real(fd, data, count, at);
    wrote(fd, data, done, at);
    return done;
}

/* Nothing of ours writes so; if that changes, a test that lost bytes would not know why. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    if (is_tracked(fd)) abort();
    return real(fd, parts, count);
}

int ftruncate(int fd, off_t size) {
    REAL(ftruncate);
    int done = real(fd, size);
    if (done == 0 && is_tracked(fd)) note('T', inode_of(fd), (uint64_t)size, 0, 0, 0, 0);
    return done;
}

int ftruncate64(int fd, off64_t size) {
    REAL(ftruncate64);
    int done = real(fd, size);
    if (done == 0 && is_tracked(fd)) note('T', inode_of(fd), (uint64_t)size, 0, 0, 0, 0);
    return done;
}

static int must_fail(int fd) {
    char link[64], path[PATH_MAX], text[256];
    if (!failing || !is_tracked(fd)) return 0;
    int file = (int)syscall(SYS_openat, AT_FDCWD, failing, O_RDONLY | O_CLOEXEC, 0);
    if (file < 0) return 0;
    ssize_t size = syscall(SYS_read, file, text, sizeof text - 1);
    syscall(SYS_close, file);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (size <= 0 || n <= 0) return 0;
    text[size] = path[n] = 0;
    return strstr(path, text) && syscall(SYS_unlinkat, AT_FDCWD, failing, 0) == 0;
}

#define SYNC(name) int name(int fd) { \
    REAL(name); \
    uint64_t inode = is_tracked(fd) ? inode_of(fd) : 0; \
    uint64_t number = ((uint64_t)getpid() << 32) | (uint32_t)atomic_fetch_add(&counter, 1); \
    if (must_fail(fd)) { note('f', inode, number, 0, 0, 0, 0); errno = EIO; return -1; } \
    if (inode) note('b', inode, number, 0, 0, 0, 0); \
    int done = real(fd); \
    if (inode && done == 0) note('e', inode, number, 0, 0, 0, 0); \
    return done; }
SYNC(fsync)
SYNC(fdatasync)

static int two(char kind, int done, int at, const char *from, int to_at, const char *to) {
    char a[PATH_MAX], b[PATH_MAX];
    absolute(at, from, a);
    absolute(to_at, to, b);
    if (done == 0 && ours(b)) note(kind, 0, 0, a, strlen(a), b, strlen(b));
    return done;
}

static int one(char kind, int done, int at, const char *path) {
    char a[PATH_MAX];
    struct stat s;
    absolute(at, path, a);
    if (done == 0 && ours(a)) note(kind, kind == 'D' && lstat(a, &s) == 0 ? s.st_ino : 0, 0, a, strlen(a), 0, 0);
    return done;
}

int rename(const char *a, const char *b) { REAL(rename); return two('R', real(a, b), AT_FDCWD, a, AT_FDCWD, b); }
int renameat(int x, const char *a, int y, const char *b) { REAL(renameat); return two('R', real(x, a, y, b), x, a, y, b); }
int link(const char *a, const char *b) { REAL(link); return two('L', real(a, b), AT_FDCWD, a, AT_FDCWD, b); }
int linkat(int x, const char *a, int y, const char *b, int f) { REAL(linkat); return two('L', real(x, a, y, b, f), x, a, y, b); }
int unlink(const char *a) { REAL(unlink); return one('U', real(a), AT_FDCWD, a); }
int unlinkat(int x, const char *a, int f) { REAL(unlinkat); return one('U', real(x, a, f), x, a); }
int rmdir(const char *a) { REAL(rmdir); return one('U', real(a), AT_FDCWD, a); }
int mkdir(const char *a, mode_t m) { REAL(mkdir); return one('D', real(a, m), AT_FDCWD, a); }
int mkdirat(int x, const char *a, mode_t m) { REAL(mkdirat); return one('D', real(x, a, m), x, a); }
