/* Put before all sources of packetdrill by vmptcp, so that they compile and run wherever its guests are. */
/* Some of the sources ask for it themselves, but after this. */
#define _GNU_SOURCE 1

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/times.h>
#include <unistd.h>

/* glibc has it no more since 2.34. */
#define pthread_yield sched_yield

/*
 * packetdrill waits in a loop until times() changes. In virtual time computing takes no time: there it has to sleep.
 */
static inline clock_t vmptcp_times(struct tms *buffer)
{
	if (getenv("VMPTCP_VIRTUAL_TIME"))
		usleep(1);
	return times(buffer);
}
#define times vmptcp_times
