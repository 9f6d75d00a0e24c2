// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends data to a server that echoes it, by TCP: nothing in here knows of
 * MPTCP. See tcp_server.c.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUNDS 10
#define LENGTH 4000

int main(int argc, char *argv[])
{
	struct sockaddr_in server = { .sin_family = AF_INET };
	char buffer[LENGTH];
	int fd;

	if (argc != 3 || inet_pton(AF_INET, argv[1], &server.sin_addr) != 1) {
		fprintf(stderr, "usage: %s ADDRESS PORT\n", argv[0]);
		return 2;
	}
	server.sin_port = htons(atoi(argv[2]));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof(server))) {
		perror("connect");
		return 1;
	}
	memset(buffer, 'x', sizeof(buffer));
	for (int round = 0; round < ROUNDS; round++) {
		if (write(fd, buffer, LENGTH) != LENGTH || recv(fd, buffer, LENGTH, MSG_WAITALL) != LENGTH) {
			perror("echo");
			return 1;
		}
		usleep(200 * 1000);
	}
	printf("echoed %d bytes\n", ROUNDS * LENGTH);
	close(fd);
	return 0;
}
