// Leads connections of a program under test elsewhere: LD_PRELOAD this, name a file in CONNECT_PORTS_FILE.
//
// The file holds two 16-bit numbers, mapped and read at every connection: whoever connects to the first port of this
// machine comes to the second; zeros leave everything as it is.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static volatile uint16_t *ports;

__attribute__((constructor)) static void map_ports(void) {
    const char *path = getenv("CONNECT_PORTS_FILE");
    int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    void *page = mmap(NULL, 2 * sizeof(uint16_t), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED) ports = page;
}

int connect(int socket, const struct sockaddr *address, socklen_t length) {
    static int (*real)(int, const struct sockaddr *, socklen_t);
    if (real == NULL) real = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect");
    struct sockaddr_in moved;
    if (ports != NULL && ports[0] != 0 && address->sa_family == AF_INET && length >= sizeof moved) {
        memcpy(&moved, address, sizeof moved);
        if (ntohs(moved.sin_port) == ports[0]) {
            moved.sin_port = htons(ports[1]);
            return real(socket, (struct sockaddr *)&moved, sizeof moved);
        }
    }
    return real(socket, address, length);
}
