// SPDX-License-Identifier: GPL-2.0-only
/*
 * A server in the kernel: echoes what it receives, by MPTCP or by TCP.
 *
 *   insmod kernel_echo_server.ko protocol=tcp port=5000
 *
 * Its socket lives in init_net, as those of network file systems do. The
 * thread is stopped, and its sockets are closed, before the module goes: that
 * order is what there is to learn here.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/in.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/slab.h>
#include <net/net_namespace.h>
#include <net/sock.h>

static char *protocol = "mptcp";
module_param(protocol, charp, 0444);
MODULE_PARM_DESC(protocol, "mptcp (the default) or tcp");

static ushort port = 5000;
module_param(port, ushort, 0444);
MODULE_PARM_DESC(port, "where it listens");

static struct socket *listener;
static struct task_struct *thread;

/* Returns when the peer is done, or the thread shall stop. */
static void echo(struct socket *sock)
{
	char *buffer = kmalloc(PAGE_SIZE, GFP_KERNEL);
	unsigned long total = 0;

	if (!buffer)
		return;
	/* So that it looks from time to time whether it shall stop. */
	sock->sk->sk_rcvtimeo = HZ / 5;
	while (!kthread_should_stop()) {
		struct kvec vec = { .iov_base = buffer, .iov_len = PAGE_SIZE };
		struct msghdr msg = {};
		int count = kernel_recvmsg(sock, &msg, &vec, 1, PAGE_SIZE, 0);

		if (count == -EAGAIN)
			continue;
		if (count <= 0)
			break;
		vec.iov_len = count;
		msg = (struct msghdr){};
		if (kernel_sendmsg(sock, &msg, &vec, 1, count) < 0)
			break;
		total += count;
	}
	pr_info("echoed %lu bytes\n", total);
	kfree(buffer);
}

static int serve(void *unused)
{
	while (!kthread_should_stop()) {
		struct socket *sock;
		int error = kernel_accept(listener, &sock, O_NONBLOCK);

		if (error == -EAGAIN) {
			schedule_timeout_interruptible(HZ / 10);
			continue;
		}
		if (error) {
			pr_err("accept: %d\n", error);
			break;
		}
		echo(sock);
		sock_release(sock);
	}
	/* kthread_stop() must find the thread alive. */
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ / 10);
	return 0;
}

static int __init server_init(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	int number = strcmp(protocol, "tcp") ? IPPROTO_MPTCP : IPPROTO_TCP;
	int error;

	error = sock_create_kern(&init_net, AF_INET, SOCK_STREAM, number, &listener);
	if (error)
		return error;
	sock_set_reuseaddr(listener->sk);
	error = kernel_bind(listener, (void *)&any, sizeof(any));
	if (!error)
		error = kernel_listen(listener, 8);
	if (error)
		goto release;
	thread = kthread_run(serve, NULL, KBUILD_MODNAME);
	if (IS_ERR(thread)) {
		error = PTR_ERR(thread);
		goto release;
	}
	pr_info("listening on port %d, by %s\n", port, protocol);
	return 0;

release:
	sock_release(listener);
	return error;
}

static void __exit server_exit(void)
{
	kthread_stop(thread);
	sock_release(listener);
	pr_info("gone\n");
}

module_init(server_init);
module_exit(server_exit);
MODULE_DESCRIPTION("An echo server in the kernel, by MPTCP or TCP");
MODULE_LICENSE("GPL");
