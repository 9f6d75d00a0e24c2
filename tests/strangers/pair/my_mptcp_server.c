#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/socket.h>

#define IPPROTO_MPTCP 262

int main() {
    int s = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
    struct sockaddr_in a;
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(8888);
    a.sin_addr.s_addr = INADDR_ANY;
    bind(s, (struct sockaddr *)&a, sizeof a);
    listen(s, 5);
    printf("waiting for clients\n");
    while (1) {
        int c = accept(s, NULL, NULL);
        char buf[1024];
        int n;
        printf("client connected\n");
        while ((n = recv(c, buf, sizeof buf, 0)) > 0)
            printf("got %d bytes\n", n);
        close(c);
    }
}
