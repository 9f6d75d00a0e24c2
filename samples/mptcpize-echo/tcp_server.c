// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends back what it receives, by TCP: nothing in here knows of MPTCP.
 *
 * "mptcpize run ./tcp_server 5000" puts a library in front of socket(), which
 * asks for MPTCP where the program asks for TCP.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int on = 1, listener, fd;
	char buffer[16384];
	ssize_t count;

	if (argc != 2) {
		fprintf(stderr, "usage: %s PORT\n", argv[0]);
		return 2;
	}
	any.sin_port = htons(atoi(argv[1]));
	listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (listener < 0 || bind(listener, (struct sockaddr *)&any, sizeof(any)) || listen(listener, 8)) {
		perror("listen");
		return 1;
	}
	printf("listening on port %s\n", argv[1]);
	fd = accept(listener, NULL, NULL);
	if (fd < 0) {
		perror("accept");
		return 1;
	}
	while ((count = read(fd, buffer, sizeof(buffer))) > 0) {
		if (write(fd, buffer, count) != count) {
			perror("write");
			return 1;
		}
	}
	close(fd);
	return 0;
}
