// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes MPTCP sockets of TCP sockets, for every program on the machine: the
 * kernel asks this program for the protocol whenever a socket is created
 * (update_socket_protocol(), since Linux 6.6).
 *
 * A real one would choose, by control group or by program, as mptcpize does.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define SOCK_TYPE_MASK 0xf
#define IPPROTO_TCP 6
#define IPPROTO_MPTCP 262

char LICENSE[] SEC("license") = "GPL";

SEC("fmod_ret/update_socket_protocol")
int BPF_PROG(mptcpify, int family, int type, int protocol)
{
	if ((family == AF_INET || family == AF_INET6) &&
	    (type & SOCK_TYPE_MASK) == SOCK_STREAM &&
	    (protocol == 0 || protocol == IPPROTO_TCP))
		return IPPROTO_MPTCP;
	return protocol;
}
