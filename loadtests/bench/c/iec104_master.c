/* An IEC 60870-5-104 master that interrogates common addresses in turn over one connection, and counts objects.

   iec104_master HOST PORT STATIONS SECONDS
   prints how many objects came in, in how many seconds, and how many of them are of the first station. */

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_OCTETS 65536
#define ACKNOWLEDGE_EVERY 8
#define STARTDT_CON 0x0B
#define TESTFR_ACT 0x43
#define INTERROGATION 100
#define TERMINATION 10
#define LAST_MONITORED_TYPE 44

static int sock;
static unsigned char buffer[BUFFER_OCTETS];
static int begin, end;
static unsigned sent, received;
static int unacknowledged;
static long objects;

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

static void put(const unsigned char *frame, int octets)
{
    if (send(sock, frame, octets, 0) != octets)
        fail("send");
}

/* The next whole frame, from its length octet on. */
static const unsigned char *frame(void)
{
    for (;;) {
        int held = end - begin;
        if (held >= 2 && held >= buffer[begin + 1] + 2) {
            const unsigned char *found = buffer + begin + 1;
            begin += *found + 2;
            if (found[1] == TESTFR_ACT)
                put((unsigned char[]){0x68, 4, 0x83, 0, 0, 0}, 6);
            return found;
        }
        memmove(buffer, buffer + begin, held);
        begin = 0;
        int part = recv(sock, buffer + held, BUFFER_OCTETS - held, 0);
        if (part <= 0)
            fail("recv");
        end = held + part;
    }
}

static void interrogate(int address)
{
    unsigned char asked[] = {0x68, 14, sent << 1 & 0xFE, sent >> 7, received << 1 & 0xFE, received >> 7,
                             INTERROGATION, 1, 6, 0, address & 255, address >> 8, 0, 0, 0, 20};
    sent = (sent + 1) & 0x7FFF;
    unacknowledged = 0;
    put(asked, sizeof asked);
    for (;;) {
        const unsigned char *got = frame();
        if (got[1] & 1)
            continue;
        received = (received + 1) & 0x7FFF;
        if (++unacknowledged == ACKNOWLEDGE_EVERY) {
            unacknowledged = 0;
            put((unsigned char[]){0x68, 4, 1, 0, received << 1 & 0xFE, received >> 7}, 6);
        }
        if (got[5] <= LAST_MONITORED_TYPE)
            objects += got[6] & 0x7F;
        else if (got[5] == INTERROGATION && (got[7] & 0x3F) == TERMINATION)
            return;
    }
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
    int yes = 1, stations = atoi(argv[3]);
    double seconds = atof(argv[4]);
    sock = socket(AF_INET, SOCK_STREAM, 0);
    if (sock < 0 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
        fail("address");
    if (connect(sock, (struct sockaddr *)&to, sizeof to) < 0)
        fail("connect");
    setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    put((unsigned char[]){0x68, 4, 0x07, 0, 0, 0}, 6);
    while (frame()[1] != STARTDT_CON)
        ;
    interrogate(1);
    long first = objects;
    objects = 0;
    double begin_s = now_s(), took_s;
    do {
        for (int address = 1; address <= stations; address++)
            interrogate(address);
        took_s = now_s() - begin_s;
    } while (took_s < seconds);
    printf("%ld %.6f %ld\n", objects, took_s, first);
    return 0;
}
