#include <linux/module.h>
#include <linux/kthread.h>
#include <linux/in.h>
#include <linux/inet.h>
#include <linux/net.h>
#include <linux/delay.h>
#include <net/sock.h>

static char *server_ip = "192.168.1.77";
module_param(server_ip, charp, 0);
static int server_port = 4444;
module_param(server_port, int, 0);

static struct socket *sock;
static struct task_struct *task;

static int client_thread(void *data)
{
	char buf[64];
	struct kvec vec;
	struct msghdr msg;
	int i;

	for (i = 0; i < 5; i++) {
		memset(&msg, 0, sizeof(msg));
		vec.iov_base = buf;
		vec.iov_len = sprintf(buf, "message %d", i);
		kernel_sendmsg(sock, &msg, &vec, 1, vec.iov_len);
		printk(KERN_INFO "ksock_client: sent %s\n", buf);
		msleep(500);
	}
	printk(KERN_INFO "ksock_client: done\n");
	return 0;
}

static int __init ksock_client_init(void)
{
	struct sockaddr_in addr;
	int err;

	err = sock_create_kern(&init_net, AF_INET, SOCK_STREAM, IPPROTO_TCP, &sock);
	if (err < 0)
		return err;
	memset(&addr, 0, sizeof(addr));
	addr.sin_family = AF_INET;
	addr.sin_addr.s_addr = in_aton(server_ip);
	addr.sin_port = htons(server_port);
	err = kernel_connect(sock, (struct sockaddr *)&addr, sizeof(addr), 0);
	if (err < 0) {
		printk(KERN_ERR "ksock_client: connect failed %d\n", err);
		sock_release(sock);
		return err;
	}
	task = kthread_run(client_thread, NULL, "ksock_client");
	return 0;
}

static void __exit ksock_client_exit(void)
{
	kthread_stop(task);
	sock_release(sock);
	printk(KERN_INFO "ksock_client: unloaded\n");
}

module_init(ksock_client_init);
module_exit(ksock_client_exit);
MODULE_LICENSE("GPL");
