#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/socket.h>

#define IPPROTO_MPTCP 262
#define SERVER_IP "192.168.56.101"

int main() {
    int s = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
    struct sockaddr_in a;
    int i = 0;
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(8888);
    a.sin_addr.s_addr = inet_addr(SERVER_IP);
    if (connect(s, (struct sockaddr *)&a, sizeof a) < 0) {
        perror("connect");
        return 1;
    }
    while (1) {
        char buf[64];
        sprintf(buf, "hello number %d", i++);
        send(s, buf, strlen(buf), 0);
        printf("sent: %s\n", buf);
        sleep(1);
    }
}
