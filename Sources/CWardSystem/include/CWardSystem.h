// What Linux offers only as variadic C calls or macros, which Swift cannot import.
#ifndef C_WARD_SYSTEM_H
#define C_WARD_SYSTEM_H

#include <stdint.h>
#include <sys/types.h>

/// No core dumps (RLIMIT_CORE 0) and no ptrace or /proc/PID/mem by others (PR_SET_DUMPABLE 0). 0 on success.
int ward_forbid_dumps(void);

/// How far that holds now: bit 0 for the limit of core dumps, bit 1 for the flag.
int ward_dumps_forbidden(void);

/// Whether a time service keeps the kernel's clock: 1 or 0, -1 if the kernel does not tell.
int ward_clock_is_kept(void);

/// Locks a region into memory and keeps it out of core dumps (mlock, MADV_DONTDUMP). 0 on success.
int ward_lock_memory(void *address, size_t length);

/// Keeps the whole process out of swap, if the system sets no limit to locked memory. 0 on success.
int ward_lock_process(void);

/// Reads a line from the controlling terminal without echo. Length, or -1.
ssize_t ward_read_hidden_line(const char *prompt, char *buffer, size_t capacity);

/// The user id of the peer of a Unix socket, or -1.
int64_t ward_peer_user(int socket);

/// Takes an exclusive, non-blocking lock on an open file. 0 on success.
int ward_lock_file(int descriptor);

#endif
