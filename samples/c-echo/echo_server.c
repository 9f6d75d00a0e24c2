// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends back what it receives, by MPTCP.
 *
 * Only one line differs from a TCP server: the protocol of the socket. Clients
 * that speak plain TCP are served too: the kernel falls back for them.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static int listen_on(unsigned short port)
{
	/* An IPv6 socket that is bound to no address takes IPv4 as well. */
	struct sockaddr_in6 any = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(port),
		.sin6_addr = IN6ADDR_ANY_INIT,
	};
	int on = 1;
	int fd;

	fd = socket(AF_INET6, SOCK_STREAM, IPPROTO_MPTCP);
	if (fd < 0) {
		/* ENOPROTOOPT: net.mptcp.enabled is 0; EPROTONOSUPPORT: no MPTCP. */
		perror("socket");
		exit(1);
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 8)) {
		perror("bind");
		exit(1);
	}
	return fd;
}

static void echo(int fd)
{
	char buffer[16384];
	ssize_t count;

	while ((count = read(fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t sent = 0; sent < count;) {
			ssize_t now = write(fd, buffer + sent, count - sent);

			if (now < 0) {
				perror("write");
				return;
			}
			sent += now;
		}
	}
	if (count < 0)
		perror("read");
}

int main(int argc, char *argv[])
{
	int listener, fd;

	if (argc != 2) {
		fprintf(stderr, "usage: %s PORT\n", argv[0]);
		return 2;
	}
	listener = listen_on(atoi(argv[1]));
	printf("listening on port %s\n", argv[1]);
	fd = accept(listener, NULL, NULL);
	if (fd < 0) {
		perror("accept");
		return 1;
	}
	echo(fd);
	close(fd);
	return 0;
}
