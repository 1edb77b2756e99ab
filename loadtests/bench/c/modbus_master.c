/* A Modbus master that reads the same registers over many connections, one request under way on each.

   modbus_master HOST PORT CONNECTIONS REGISTER COUNT SECONDS
   prints how many reads were answered, and in how many seconds. */

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READY_MAX 256
#define FRAME_MAX 260

struct connection {
    int sock;
    int got;
    unsigned char frame[FRAME_MAX];
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + 1e-9 * now.tv_nsec;
}

static int connected(const char *host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int yes = 1, sock = socket(AF_INET, SOCK_STREAM, 0);
    if (sock < 0 || inet_pton(AF_INET, host, &address.sin_addr) != 1)
        fail("address");
    if (connect(sock, (struct sockaddr *)&address, sizeof address) < 0)
        fail("connect");
    setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return sock;
}

int main(int argc, char **argv)
{
    if (argc != 7)
        return 2;
    int count = atoi(argv[3]), first = atoi(argv[4]), registers = atoi(argv[5]);
    double seconds = atof(argv[6]);
    int answer_octets = 9 + 2 * registers;
    unsigned char request[] = {0, 1, 0, 0, 0, 6, 1, 3, first >> 8, first & 255, 0, registers};
    struct connection *connections = calloc(count, sizeof *connections);
    int poller = epoll_create1(0);
    if (poller < 0 || !connections)
        fail("start");
    for (int i = 0; i < count; i++) {
        struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = &connections[i]};
        connections[i].sock = connected(argv[1], atoi(argv[2]));
        if (epoll_ctl(poller, EPOLL_CTL_ADD, connections[i].sock, &wanted) < 0)
            fail("epoll_ctl");
    }
    double begin_s = now_s(), took_s = 0.0;
    long reads = 0;
    for (int i = 0; i < count; i++)
        if (send(connections[i].sock, request, sizeof request, 0) != sizeof request)
            fail("send");
    while (took_s < seconds) {
        struct epoll_event ready[READY_MAX];
        int n = epoll_wait(poller, ready, READY_MAX, 1000);
        for (int i = 0; i < n; i++) {
            struct connection *from = ready[i].data.ptr;
            int part = recv(from->sock, from->frame + from->got, FRAME_MAX - from->got, 0);
            if (part <= 0)
                fail("recv");
            from->got += part;
            if (from->got < answer_octets && !(from->got >= 9 && from->frame[7] & 0x80))
                continue;
            if (from->got != answer_octets || from->frame[7] != 3) {
                fprintf(stderr, "not the answer of %d registers\n", registers);
                return 1;
            }
            from->got = 0;
            reads++;
            if (send(from->sock, request, sizeof request, 0) != sizeof request)
                fail("send");
        }
        took_s = now_s() - begin_s;
    }
    printf("%ld %.6f\n", reads, took_s);
    return 0;
}
