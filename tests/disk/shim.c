/* A disk that fails when it is told to: for tests, by LD_PRELOAD. Linux, glibc.
 *
 * SHIM_CONTROL names a file. While it is empty or missing, nothing is touched. Its one line is
 *
 *     ERRNO CALLS FROM COUNT PATH GENERATION
 *
 * ERRNO  EIO, ENOSPC or EROFS; FULL is ENOSPC while a file `ballast` lies beside; HANG is no error: the call waits
 *        until the line is another, or gone, and is made then
 * CALLS  letters: w write and pwrite, s fsync and fdatasync, t ftruncate and fallocate, o an open that may write
 * FROM   the first call that fails, 1 being the next
 * COUNT  how many fail from there on; 0: all, until the line is taken away
 * PATH   what the file's path must contain
 * GENERATION a number: another one starts the counting anew
 *
 * Each call that was made to fail, or to wait, leaves a line in SHIM_CONTROL.hits. A call that fails has done nothing.
 *
 * SHIM_CLOCK names a file with a number: so many seconds the machine's clock is off, from the moment it stands there. The clock that
 * only counts is left alone, as a step of the machine's leaves it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long generation = -1;
static long seen = 0;

/* The system calls themselves: what this file does for its own is never made to fail. */
static long read_whole(const char *path, char *into, size_t room) {
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    long length = syscall(SYS_read, fd, into, room - 1);
    syscall(SYS_close, fd);
    if (length < 0) return -1;
    into[length] = 0;
    return length;
}

static void note(const char *control, const char *call, const char *path) {
    char name[PATH_MAX], line[PATH_MAX + 64];
    snprintf(name, sizeof name, "%s.hits", control);
    int length = snprintf(line, sizeof line, "%s %s\n", call, path);
    long fd = syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return;
    syscall(SYS_write, fd, line, (size_t)length);
    syscall(SYS_close, fd);
}

/* Whether a file `ballast` lies beside this one. */
static int has_ballast(const char *path) {
    char beside[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int length = slash == NULL ? 0 : (int)(slash - path) + 1;
    snprintf(beside, sizeof beside, "%.*sballast", length, path);
    return syscall(SYS_faccessat, AT_FDCWD, beside, F_OK) == 0;
}

/* Waits for as long as the control file says what it says now. */
static void hang(const char *control, const char *said) {
    char text[512];
    struct timespec pause = {0, 5000000};
    while (read_whole(control, text, sizeof text) > 0 && strcmp(text, said) == 0) nanosleep(&pause, NULL);
}

/* The error that this call on this path shall end with; 0: none. */
static int verdict(char letter, const char *call, const char *path) {
    const char *control = getenv("SHIM_CONTROL");
    if (control == NULL || path == NULL) return 0;
    char text[512];
    if (read_whole(control, text, sizeof text) <= 0) return 0;
    char word[16], calls[16], part[256];
    long from, count, number;
    if (sscanf(text, "%15s %15s %ld %ld %255s %ld", word, calls, &from, &count, part, &number) != 6) return 0;
    if (strchr(calls, letter) == NULL || strstr(path, part) == NULL) return 0;
    int is_full = strcmp(word, "FULL") == 0;
    if (is_full && !has_ballast(path)) return 0;
    int error = is_full || strcmp(word, "ENOSPC") == 0 ? ENOSPC : strcmp(word, "EROFS") == 0 ? EROFS : EIO;
    pthread_mutex_lock(&lock);
    if (number != generation) {
        generation = number;
        seen = 0;
    }
    seen += 1;
    int fails = seen >= from && (count == 0 || seen < from + count);
    pthread_mutex_unlock(&lock);
    if (!fails) return 0;
    note(control, call, path);
    if (strcmp(word, "HANG") == 0) {
        hang(control, text);
        return 0;
    }
    return error;
}

static int fails(char letter, const char *call, int fd) {
    if (getenv("SHIM_CONTROL") == NULL) return 0;
    int kept = errno;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    int error = 0;
    if (length > 0) {
        path[length] = 0;
        error = verdict(letter, call, path);
    }
    errno = error != 0 ? error : kept;
    return error;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int clock_gettime(clockid_t clock, struct timespec *time) {
    long failed = syscall(SYS_clock_gettime, clock, time);
    const char *file = clock == CLOCK_REALTIME && failed == 0 ? getenv("SHIM_CLOCK") : NULL;
    char text[32];
    if (file != NULL && read_whole(file, text, sizeof text) > 0) time->tv_sec += atol(text);
    return (int)failed;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    if (fails('w', "write", fd)) return -1;
    return REAL(write)(fd, bytes, count);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (fails('w', "writev", fd)) return -1;
    return REAL(writev)(fd, parts, count);
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    if (fails('w', "pwrite", fd)) return -1;
    return REAL(pwrite)(fd, bytes, count, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    if (fails('w', "pwrite64", fd)) return -1;
    return REAL(pwrite64)(fd, bytes, count, at);
}
int fsync(int fd) {
    if (fails('s', "fsync", fd)) return -1;
    return REAL(fsync)(fd);
}
int fdatasync(int fd) {
    if (fails('s', "fdatasync", fd)) return -1;
    return REAL(fdatasync)(fd);
}
int ftruncate(int fd, off_t length) {
    if (fails('t', "ftruncate", fd)) return -1;
    return REAL(ftruncate)(fd, length);
}
int ftruncate64(int fd, off64_t length) {
    if (fails('t', "ftruncate64", fd)) return -1;
    return REAL(ftruncate64)(fd, length);
}
int posix_fallocate(int fd, off_t at, off_t length) {
    int error = fails('t', "posix_fallocate", fd);
    return error != 0 ? error : REAL(posix_fallocate)(fd, at, length);
}

/* Opening for reading is never refused. */
static int open_fails(const char *call, const char *path, int flags) {
    if ((flags & O_ACCMODE) == O_RDONLY && (flags & O_CREAT) == 0) return 0;
    int kept = errno;
    int error = verdict('o', call, path);
    errno = error != 0 ? error : kept;
    return error;
}

#define MODE(flags, mode)                                                  \
    mode_t mode = 0;                                                       \
    if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {                          \
        va_list rest;                                                      \
        va_start(rest, flags);                                             \
        mode = va_arg(rest, mode_t);                                       \
        va_end(rest);                                                      \
    }

int open(const char *path, int flags, ...) {
    MODE(flags, mode)
    if (open_fails("open", path, flags)) return -1;
    return REAL(open)(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE(flags, mode)
    if (open_fails("open64", path, flags)) return -1;
    return REAL(open64)(path, flags, mode);
}
int openat(int at, const char *path, int flags, ...) {
    MODE(flags, mode)
    if (open_fails("openat", path, flags)) return -1;
    return REAL(openat)(at, path, flags, mode);
}
