// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client in the kernel: sends to kernel_echo_server, by MPTCP or by TCP.
 *
 *   insmod kernel_echo_client.ko protocol=tcp server=10.0.1.2 port=5000
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/in.h>
#include <linux/inet.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/slab.h>
#include <net/net_namespace.h>
#include <net/sock.h>

static char *protocol = "mptcp";
module_param(protocol, charp, 0444);
MODULE_PARM_DESC(protocol, "mptcp (the default) or tcp");

static char *server = "127.0.0.1";
module_param(server, charp, 0444);
MODULE_PARM_DESC(server, "the server's IPv4 address");

static ushort port = 5000;
module_param(port, ushort, 0444);
MODULE_PARM_DESC(port, "the server's port");

static struct socket *sock;
static struct task_struct *thread;

/* One round: what is sent has to come back. */
static int round_trip(char *buffer, size_t length)
{
	struct kvec vec = { .iov_base = buffer, .iov_len = length };
	struct msghdr msg = {};
	int count;

	count = kernel_sendmsg(sock, &msg, &vec, 1, length);
	if (count != length)
		return count < 0 ? count : -EPIPE;
	vec.iov_len = length;
	msg = (struct msghdr){};
	count = kernel_recvmsg(sock, &msg, &vec, 1, length, MSG_WAITALL);
	if (count != length)
		return count < 0 ? count : -EPIPE;
	return 0;
}

static int talk(void *unused)
{
	char *buffer = kzalloc(PAGE_SIZE, GFP_KERNEL);
	unsigned long rounds = 0;
	int error = buffer ? 0 : -ENOMEM;

	while (!error && !kthread_should_stop()) {
		error = round_trip(buffer, PAGE_SIZE);
		if (!error)
			rounds++;
		schedule_timeout_interruptible(HZ / 5);
	}
	if (error)
		pr_err("failed: %d\n", error);
	pr_info("%lu round trips of %lu bytes\n", rounds, PAGE_SIZE);
	kfree(buffer);
	/* kthread_stop() must find the thread alive. */
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ / 10);
	return 0;
}

static int __init client_init(void)
{
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(port) };
	int number = strcmp(protocol, "tcp") ? IPPROTO_MPTCP : IPPROTO_TCP;
	int error;

	if (!in4_pton(server, -1, (u8 *)&peer.sin_addr, -1, NULL)) {
		pr_err("%s is no IPv4 address\n", server);
		return -EINVAL;
	}
	error = sock_create_kern(&init_net, AF_INET, SOCK_STREAM, number, &sock);
	if (error)
		return error;
	sock->sk->sk_rcvtimeo = 2 * HZ;
	error = kernel_connect(sock, (void *)&peer, sizeof(peer), 0);
	if (error) {
		pr_err("cannot connect to %s: %d\n", server, error);
		goto release;
	}
	thread = kthread_run(talk, NULL, KBUILD_MODNAME);
	if (IS_ERR(thread)) {
		error = PTR_ERR(thread);
		goto release;
	}
	pr_info("connected to %s, port %d, by %s\n", server, port, protocol);
	return 0;

release:
	sock_release(sock);
	return error;
}

static void __exit client_exit(void)
{
	kthread_stop(thread);
	sock_release(sock);
	pr_info("gone\n");
}

module_init(client_init);
module_exit(client_exit);
MODULE_DESCRIPTION("An echo client in the kernel, by MPTCP or TCP");
MODULE_LICENSE("GPL");
