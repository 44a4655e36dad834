/* SPDX-License-Identifier: ISC */
/*
 * Loaded into every process of a daemon: moves the calendar, and makes an allocation fail. What is to happen stands in a
 * file that all of them map at their start, before they are confined; the test writes to it while they run. See
 * preload.py, which compiles this with ORDERS, the path of that file.
 */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* In the order of preload.py's struct. */
struct orders {
	int64_t wall_offset_s;
	uint64_t countdown; /* the allocation that fails, counted down to 0; 0: none */
	uint64_t failed;    /* how many did */
	char process[16];
};

extern char *program_invocation_short_name;
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static struct orders *orders;
static bool chosen_name_known;

__attribute__((constructor)) static void
map_orders(void)
{
	int fd = open(ORDERS, O_RDWR | O_CLOEXEC);
	void *map;

	if (fd == -1)
		return;
	map = mmap(NULL, sizeof(*orders), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	chosen_name_known = program_invocation_short_name != NULL;
	if (map != MAP_FAILED)
		orders = map;
}

static bool
must_fail(void)
{
	uint64_t left;

	if (orders == NULL || !chosen_name_known ||
	    strncmp(program_invocation_short_name, orders->process, sizeof(orders->process)) != 0)
		return false;
	left = __atomic_load_n(&orders->countdown, __ATOMIC_SEQ_CST);
	while (left > 0)
		if (__atomic_compare_exchange_n(
			&orders->countdown, &left, left - 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			break;
	if (left != 1)
		return false;
	(void)__atomic_add_fetch(&orders->failed, 1, __ATOMIC_SEQ_CST);
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	return must_fail() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return must_fail() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
	return must_fail() ? NULL : __libc_realloc(old, size);
}

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	long result = syscall(SYS_clock_gettime, clock, ts);

	if (result == 0 && orders != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		ts->tv_sec += orders->wall_offset_s;
	return (int)result;
}

int
gettimeofday(struct timeval *tv, void *zone)
{
	struct timespec ts;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &ts) == -1)
		return -1;
	*tv = (struct timeval){ ts.tv_sec, ts.tv_nsec / 1000 };
	return 0;
}

time_t
time(time_t *out)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	if (out != NULL)
		*out = ts.tv_sec;
	return ts.tv_sec;
}
