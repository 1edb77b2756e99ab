/* A server on libmodbus that holds the registers it is given, for as many connections as come.

   modbus_server HOST PORT REGISTER HEXADECIMAL
   prints "ready" once it listens. */

#include <errno.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READY_MAX 256
#define BACKLOG 128

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, modbus_strerror(errno));
    exit(1);
}

static void watch(int poller, int sock)
{
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = sock};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, sock, &wanted) < 0)
        fail("epoll_ctl");
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    int registers = strlen(argv[4]) / 4;
    modbus_t *server = modbus_new_tcp(argv[1], atoi(argv[2]));
    modbus_mapping_t *held = modbus_mapping_new_start_address(0, 0, 0, 0, atoi(argv[3]), registers, 0, 0);
    if (!server || !held)
        fail("start");
    for (int i = 0; i < registers; i++)
        if (sscanf(argv[4] + 4 * i, "%4hx", &held->tab_registers[i]) != 1)
            return 2;
    int listening = modbus_tcp_listen(server, BACKLOG), poller = epoll_create1(0);
    if (listening < 0 || poller < 0)
        fail("listen");
    watch(poller, listening);
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct epoll_event ready[READY_MAX];
        int n = epoll_wait(poller, ready, READY_MAX, -1);
        for (int i = 0; i < n; i++) {
            int sock = ready[i].data.fd;
            if (sock == listening) {
                watch(poller, modbus_tcp_accept(server, &sock));
                continue;
            }
            unsigned char request[MODBUS_TCP_MAX_ADU_LENGTH];
            modbus_set_socket(server, sock);
            int octets = modbus_receive(server, request);
            if (octets > 0)
                modbus_reply(server, request, octets, held);
            else if (octets < 0)
                close(sock);
        }
    }
}
