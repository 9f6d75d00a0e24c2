// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends lines to a server that echoes them, by MPTCP, and asks the kernel
 * whether it was MPTCP: a connection can fall back to TCP without an error.
 */
#include <errno.h>
#include <linux/types.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#define SOL_MPTCP_LEVEL 284
#define MPTCP_INFO_OPTION 1

#define ROUNDS 20
#define LENGTH 8000

static int connect_to(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	int error, fd;

	error = getaddrinfo(host, port, &hints, &found);
	if (error) {
		fprintf(stderr, "%s: %s\n", host, gai_strerror(error));
		return -1;
	}
	/* getaddrinfo() may not know MPTCP: the protocol is put in here. */
	fd = socket(found->ai_family, SOCK_STREAM, IPPROTO_MPTCP);
	if (fd < 0)
		perror("socket");
	else if (connect(fd, found->ai_addr, found->ai_addrlen)) {
		perror("connect");
		close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	return fd;
}

/* The first byte of struct mptcp_info is the number of further subflows. */
static void tell_protocol(int fd)
{
	unsigned char info[512];
	socklen_t size = sizeof(info);

	if (!getsockopt(fd, SOL_MPTCP_LEVEL, MPTCP_INFO_OPTION, info, &size))
		printf("this is MPTCP, with %d further subflows\n", info[0]);
	else if (errno == EOPNOTSUPP)
		printf("this fell back to TCP\n");
	else
		perror("getsockopt");
}

static int echo(int fd, size_t length)
{
	char sent[LENGTH], received[LENGTH];
	size_t have = 0;

	memset(sent, 'x', length);
	if (write(fd, sent, length) != (ssize_t)length) {
		perror("write");
		return -1;
	}
	while (have < length) {
		ssize_t count = read(fd, received + have, length - have);

		if (count <= 0) {
			fprintf(stderr, "the server went away\n");
			return -1;
		}
		have += count;
	}
	return memcmp(sent, received, length);
}

int main(int argc, char *argv[])
{
	int fd;

	if (argc != 3) {
		fprintf(stderr, "usage: %s HOST PORT\n", argv[0]);
		return 2;
	}
	fd = connect_to(argv[1], argv[2]);
	if (fd < 0)
		return 1;
	for (int round = 0; round < ROUNDS; round++) {
		if (echo(fd, LENGTH)) {
			fprintf(stderr, "round %d failed\n", round);
			return 1;
		}
		/* Subflows join a moment after the first data. */
		usleep(200 * 1000);
	}
	tell_protocol(fd);
	printf("echoed %d bytes\n", ROUNDS * LENGTH);
	close(fd);
	return 0;
}
