// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded into a kernel of user-mode Linux before 6.13, which keeps 2,696
 * bytes of a program's vector registers: all that there were before AMX. On a
 * processor with AMX the host refuses to set so few of them (EFAULT), and the
 * guest's first program does not start. Here the rest is added: what the traced
 * process has. No guest uses it, as none can ask its kernel for AMX.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PEEKTEXT 1
#define PEEKUSER 3
#define GETREGSET 0x4204
#define SETREGSET 0x4205
#define X86_XSTATE 0x202

/* Where an XSAVE area says which of its components are in use, in bytes. */
#define XSTATE_BV 512

/* The tile configuration and the tiles of AMX. */
#define AMX (UINT64_C(3) << 17)

static long kernel_ptrace(long request, long pid, void *addr, void *data)
{
	return syscall(SYS_ptrace, request, pid, addr, data);
}

static long set_xstate(long pid, void *addr, const struct iovec *given)
{
	/* The kernel's stacks are small, and it traces one process at a time. */
	static unsigned char whole[64 * 1024] __attribute__((aligned(64)));
	struct iovec iov = { .iov_base = whole, .iov_len = sizeof(whole) };
	uint64_t ours, theirs;

	if (kernel_ptrace(GETREGSET, pid, addr, &iov) < 0)
		return -1;
	if (given->iov_len >= iov.iov_len || given->iov_len < XSTATE_BV + 64)
		return kernel_ptrace(SETREGSET, pid, addr, (void *)given);
	memcpy(&ours, whole + XSTATE_BV, sizeof(ours));
	memcpy(whole, given->iov_base, given->iov_len);
	memcpy(&theirs, whole + XSTATE_BV, sizeof(theirs));
	theirs = (theirs & ~AMX) | (ours & AMX);
	memcpy(whole + XSTATE_BV, &theirs, sizeof(theirs));
	return kernel_ptrace(SETREGSET, pid, addr, &iov);
}

long ptrace(int request, ...)
{
	va_list args;
	void *addr, *data;
	long pid, value, result;

	va_start(args, request);
	pid = va_arg(args, int);
	addr = va_arg(args, void *);
	data = va_arg(args, void *);
	va_end(args);

	if (request == SETREGSET && (uintptr_t)addr == X86_XSTATE)
		return set_xstate(pid, addr, data);
	/* The C library returns what the kernel writes. */
	if (request < PEEKTEXT || request > PEEKUSER)
		return kernel_ptrace(request, pid, addr, data);
	result = kernel_ptrace(request, pid, addr, &value);
	if (result < 0)
		return result;
	errno = 0;
	return value;
}
