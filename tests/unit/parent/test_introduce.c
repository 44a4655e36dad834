/* SPDX-License-Identifier: ISC */
/* Two processes are introduced, at once or when there are descriptors for it; the two are played by the test. */
#include "tests/unit/unit.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "parent/introduce.h"

enum { FILES = 128, TURNS_MAX = 500, WAIT_US = 10000 };

/* The two, and what each has heard at the other end of its channel. */
static struct {
	struct child child;
	struct channel *end;
	unsigned introduced;
	struct msg_introduce last;
	int fd;
} two[2];

struct child *
family_find(enum proto_kind kind, uint64_t instance)
{
	int i;

	for (i = 0; i < 2; i++)
		if (two[i].child.kind == kind && two[i].child.instance == instance && two[i].child.pid != -1)
			return &two[i].child;
	return NULL;
}

static bool
hear(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	int i = arg == &two[1];

	(void)id;
	assert_int_equal(type, PROTO_INTRODUCE_TYPE);
	two[i].introduced++;
	two[i].last = msg->introduce;
	two[i].fd = fd;
	return true;
}

static bool
say_nothing(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	(void)arg;
	(void)type;
	(void)id;
	(void)msg;
	(void)fd;
	return false;
}

static void
stay_open(void *arg, const char *violation)
{
	(void)arg;
	fail_msg("a channel was closed: %s", violation == NULL ? "by the peer" : violation);
}

static int
make_two(void **state)
{
	static const enum proto_kind kinds[] = { PROTO_KIND_QUEUE, PROTO_KIND_ROUTER };
	int i, ends[2];

	(void)state;
	for (i = 0; i < 2; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
		two[i].child =
		    (struct child){ .kind = kinds[i], .instance = 3, .generation = 5 + (unsigned)i, .pid = 1 };
		two[i].child.channel =
		    channel_new(ends[0], PROTO_KIND_PARENT, kinds[i], say_nothing, stay_open, &two[i]);
		two[i].end = channel_new(ends[1], kinds[i], PROTO_KIND_PARENT, hear, stay_open, &two[i]);
		two[i].introduced = 0;
		two[i].fd = -1;
	}
	return 0;
}

static int
end_two(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		channel_free(two[i].child.channel);
		channel_free(two[i].end);
		if (two[i].fd != -1)
			(void)close(two[i].fd);
	}
	return 0;
}

/* Takes all descriptors but so many; returns how many were taken, into fds. */
static int
take_descriptors(int fds[FILES], int left)
{
	int n = 0;

	while (n < FILES && (fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) != -1)
		n++;
	assert_int_equal(errno, EMFILE);
	while (left-- > 0)
		(void)close(fds[--n]);
	return n;
}

static void
give_back(const int fds[FILES], int n)
{
	while (n > 0)
		(void)close(fds[--n]);
}

static void
turn_for(int turns)
{
	while (turns-- > 0 && two[0].introduced + two[1].introduced < 2) {
		loop_turn();
		(void)usleep(WAIT_US);
	}
}

static void
assert_introduced(void)
{
	int i;
	char byte = 'x';

	for (i = 0; i < 2; i++) {
		assert_int_equal(two[i].introduced, 1);
		assert_int_equal(two[i].last.kind, two[!i].child.kind);
		assert_int_equal(two[i].last.instance, two[!i].child.instance);
		assert_int_equal(two[i].last.generation, two[!i].child.generation);
	}
	assert_int_equal(write(two[0].fd, &byte, 1), 1);
	byte = '\0';
	assert_int_equal(read(two[1].fd, &byte, 1), 1);
	assert_int_equal(byte, 'x');
}

static void
test_two_are_introduced(void **state)
{
	(void)state;
	introduce(&two[0].child, &two[1].child);
	turn_for(TURNS_MAX);
	assert_introduced();
}

static void
test_without_descriptors_it_is_tried_again(void **state)
{
	int fds[FILES], left;

	(void)state;
	for (left = 0; left < 4; left++) {
		int n = take_descriptors(fds, left);
		introduce(&two[0].child, &two[1].child);
		turn_for(2);
		give_back(fds, n);
		assert_int_equal(two[0].introduced + two[1].introduced, 0);
		turn_for(TURNS_MAX);
		assert_introduced();
		assert_int_equal(end_two(NULL), 0);
		assert_int_equal(make_two(NULL), 0);
	}
}

static void
test_four_descriptors_are_enough(void **state)
{
	int fds[FILES], n = take_descriptors(fds, 4);

	(void)state;
	introduce(&two[0].child, &two[1].child);
	turn_for(TURNS_MAX);
	give_back(fds, n);
	assert_introduced();
}

/* The process in its place was introduced when it was started. */
static void
test_who_died_meanwhile_is_not_introduced(void **state)
{
	int fds[FILES], n = take_descriptors(fds, 0);

	(void)state;
	introduce(&two[0].child, &two[1].child);
	give_back(fds, n);
	two[1].child.generation++;
	turn_for(150);
	assert_int_equal(two[0].introduced + two[1].introduced, 0);
}

static int
prepare(void **state)
{
	struct rlimit files = { FILES, FILES };

	(void)state;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	log_init("test", STDERR_FILENO, LOG_TEXT, LOG_INFO);
	loop_init();
	introduce_init();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_two_are_introduced, make_two, end_two),
		cmocka_unit_test_setup_teardown(test_without_descriptors_it_is_tried_again, make_two, end_two),
		cmocka_unit_test_setup_teardown(test_four_descriptors_are_enough, make_two, end_two),
		cmocka_unit_test_setup_teardown(test_who_died_meanwhile_is_not_introduced, make_two, end_two),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
