#define _GNU_SOURCE
#include "CWardSystem.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <termios.h>
#include <unistd.h>

int ward_forbid_dumps(void) {
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0) return -1;
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int ward_dumps_forbidden(void) {
    struct rlimit limit;
    int state = 0;
    if (getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0) state |= 1;
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0) state |= 2;
    return state;
}

int ward_clock_is_kept(void) {
    struct timex state = {0};
    int result = adjtimex(&state);
    if (result < 0) return -1;
    return result != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
}

int ward_lock_memory(void *address, size_t length) {
    long page = sysconf(_SC_PAGESIZE);
    uintptr_t start = (uintptr_t)address & ~((uintptr_t)page - 1);
    size_t span = (uintptr_t)address + length - start;
    madvise((void *)start, span, MADV_DONTDUMP);
    return mlock(address, length);
}

int ward_lock_process(void) {
    struct rlimit limit;
    // Under a limit, locking would make later allocations fail instead.
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY) return -1;
#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4
#endif
    return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

ssize_t ward_read_hidden_line(const char *prompt, char *buffer, size_t capacity) {
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
    if (terminal < 0) return -1;
    struct termios shown, hidden;
    if (tcgetattr(terminal, &shown) != 0) {
        close(terminal);
        return -1;
    }
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(terminal, TCSAFLUSH, &hidden);
    ssize_t ignored = write(terminal, prompt, strlen(prompt));
    size_t length = 0;
    char byte;
    while (length < capacity && read(terminal, &byte, 1) == 1 && byte != '\n') buffer[length++] = byte;
    ignored = write(terminal, "\n", 1);
    (void)ignored;
    tcsetattr(terminal, TCSAFLUSH, &shown);
    close(terminal);
    return (ssize_t)length;
}

int64_t ward_peer_user(int socket) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return -1;
    return (int64_t)peer.uid;
}

int ward_lock_file(int descriptor) { return flock(descriptor, LOCK_EX | LOCK_NB); }
