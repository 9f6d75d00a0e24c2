#include <linux/module.h>
#include <linux/kthread.h>
#include <linux/in.h>
#include <linux/delay.h>
#include <linux/net.h>
#include <net/sock.h>

static int server_port = 4444;
module_param(server_port, int, 0);

static struct socket *listen_sock;
static struct task_struct *task;

static int server_thread(void *data)
{
	struct socket *client = NULL;
	char buf[256];
	struct kvec vec;
	struct msghdr msg;
	int n;

	while (!kthread_should_stop()) {
		if (!client) {
			if (kernel_accept(listen_sock, &client, O_NONBLOCK) < 0) {
				client = NULL;
				msleep(100);
				continue;
			}
			printk(KERN_INFO "ksock_server: client connected\n");
		}
		memset(&msg, 0, sizeof(msg));
		vec.iov_base = buf;
		vec.iov_len = sizeof(buf) - 1;
		n = kernel_recvmsg(client, &msg, &vec, 1, sizeof(buf) - 1, MSG_DONTWAIT);
		if (n > 0) {
			buf[n] = 0;
			printk(KERN_INFO "ksock_server: received %s\n", buf);
		} else if (n == 0) {
			sock_release(client);
			client = NULL;
		}
		msleep(100);
	}
	if (client)
		sock_release(client);
	return 0;
}

static int __init ksock_server_init(void)
{
	struct sockaddr_in addr;
	int err;

	err = sock_create_kern(&init_net, AF_INET, SOCK_STREAM, IPPROTO_TCP, &listen_sock);
	if (err < 0)
		return err;
	memset(&addr, 0, sizeof(addr));
	addr.sin_family = AF_INET;
	addr.sin_addr.s_addr = htonl(INADDR_ANY);
	addr.sin_port = htons(server_port);
	err = kernel_bind(listen_sock, (struct sockaddr *)&addr, sizeof(addr));
	if (err == 0)
		err = kernel_listen(listen_sock, 5);
	if (err < 0) {
		sock_release(listen_sock);
		return err;
	}
	printk(KERN_INFO "ksock_server: listening on %d\n", server_port);
	task = kthread_run(server_thread, NULL, "ksock_server");
	return 0;
}

static void __exit ksock_server_exit(void)
{
	kthread_stop(task);
	sock_release(listen_sock);
	printk(KERN_INFO "ksock_server: unloaded\n");
}

module_init(ksock_server_init);
module_exit(ksock_server_exit);
MODULE_LICENSE("GPL");
