/* SPDX-License-Identifier: ISC */
/*
 * Promised: a turn runs what is ready, then its hooks, each once, then frees what was given up; timers fire once and not
 * early; a stopped watch is silent.
 */
#include "common/loop.h"

#include <sys/socket.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static char order[64];

static void
note(void *arg)
{
	(void)strncat(order, arg, sizeof(order) - strlen(order) - 1);
}

static int
forget(void **state)
{
	(void)state;
	order[0] = '\0';
	return 0;
}

static void
test_a_hook_runs_once_a_turn(void **state)
{
	struct loop_hook a = { .fn = note, .arg = (char[]){ "a" } }, b = { .fn = note, .arg = (char[]){ "b" } };

	(void)state;
	loop_at_end(&a);
	loop_at_end(&b);
	loop_at_end(&a);
	loop_at_end(&b);
	loop_turn();
	assert_int_equal(strlen(order), 2);
	assert_true(strchr(order, 'a') != NULL && strchr(order, 'b') != NULL);
	loop_turn();
	assert_int_equal(strlen(order), 2);
}

static void
test_a_cancelled_hook_does_not_run(void **state)
{
	struct loop_hook a = { .fn = note, .arg = (char[]){ "a" } }, b = { .fn = note, .arg = (char[]){ "b" } };

	(void)state;
	loop_at_end(&a);
	loop_at_end(&b);
	loop_hook_cancel(&a);
	loop_hook_cancel(&a);
	loop_turn();
	assert_string_equal(order, "b");
	loop_at_end(&a);
	loop_turn();
	assert_string_equal(order, "ba");
}

static struct loop_hook second = { .fn = note, .arg = (char[]){ "2" } };

static void
ask_for_second(void *arg)
{
	note(arg);
	loop_at_end(&second);
}

static void
test_a_hook_asked_for_by_a_hook_runs_in_the_same_turn(void **state)
{
	struct loop_hook first = { .fn = ask_for_second, .arg = (char[]){ "1" } };

	(void)state;
	loop_at_end(&first);
	loop_turn();
	assert_string_equal(order, "12");
}

static void
test_objects_are_freed_behind_the_hooks(void **state)
{
	struct loop_hook hook = { .fn = note, .arg = (char[]){ "h" } };

	(void)state;
	loop_reap(note, (char[]){ "f" });
	loop_at_end(&hook);
	assert_string_equal(order, "");
	loop_turn();
	assert_string_equal(order, "hf");
	loop_turn();
	assert_string_equal(order, "hf");
}

static void
on_ready(int fd, short what, void *arg)
{
	char byte;

	(void)what;
	assert_int_equal(read(fd, &byte, 1), 1);
	note(arg);
}

static void
test_a_descriptor_is_watched_while_it_is_started(void **state)
{
	struct loop_fd watch = { .watched = false };
	int both[2];

	(void)state;
	loop_fd_stop(&watch); /* zeroed: nothing happens */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, both), 0);
	assert_int_equal(write(both[1], "123", 3), 3);
	loop_fd_init(&watch, both[0], LOOP_READ, on_ready, (char[]){ "r" });
	loop_turn();
	assert_string_equal(order, "");
	loop_fd_start(&watch);
	loop_fd_start(&watch);
	loop_turn();
	assert_string_equal(order, "r");
	loop_fd_stop(&watch);
	loop_fd_stop(&watch);
	loop_turn();
	assert_string_equal(order, "r");
	loop_fd_start(&watch);
	loop_turn();
	assert_string_equal(order, "rr");
	loop_fd_stop(&watch);
	(void)close(both[0]);
	(void)close(both[1]);
}

static struct loop_timer stopper;

static void
stop(void *arg)
{
	note(arg);
	loop_stop();
}

static void
test_a_timer_fires_once_and_not_early(void **state)
{
	int64_t before;

	(void)state;
	loop_timer_init(&stopper, stop, (char[]){ "t" });
	loop_turn();
	before = loop_now_ms();
	loop_timer_start(&stopper, 1);
	loop_timer_start(&stopper, 30);
	loop_run();
	assert_string_equal(order, "t");
	assert_true(loop_now_ms() - before >= 29);
	loop_turn();
	assert_string_equal(order, "t");
}

static void
test_a_stopped_timer_does_not_fire(void **state)
{
	struct loop_timer timer = { .pending = false };

	(void)state;
	loop_timer_stop(&timer); /* zeroed: nothing happens */
	loop_timer_init(&timer, note, (char[]){ "x" });
	loop_timer_init(&stopper, stop, (char[]){ "t" });
	loop_timer_start(&timer, 5);
	loop_timer_start(&stopper, 20);
	loop_timer_stop(&timer);
	loop_timer_stop(&timer);
	loop_run();
	assert_string_equal(order, "t");
}

static void
test_a_time_in_the_past_is_now(void **state)
{
	(void)state;
	loop_timer_init(&stopper, stop, (char[]){ "t" });
	loop_timer_start(&stopper, -1000);
	loop_run();
	assert_string_equal(order, "t");
}

static void
test_a_signal_is_an_event(void **state)
{
	(void)state;
	loop_signal(SIGUSR1, stop, (char[]){ "s" });
	assert_int_equal(raise(SIGUSR1), 0);
	assert_string_equal(order, "");
	loop_run();
	assert_string_equal(order, "s");
}

static int
set_up(void **state)
{
	(void)state;
	loop_init();
	return 0;
}

#define TEST(function) cmocka_unit_test_setup(function, forget)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_hook_runs_once_a_turn),
		TEST(test_a_cancelled_hook_does_not_run),
		TEST(test_a_hook_asked_for_by_a_hook_runs_in_the_same_turn),
		TEST(test_objects_are_freed_behind_the_hooks),
		TEST(test_a_descriptor_is_watched_while_it_is_started),
		TEST(test_a_timer_fires_once_and_not_early),
		TEST(test_a_stopped_timer_does_not_fire),
		TEST(test_a_time_in_the_past_is_now),
		TEST(test_a_signal_is_an_event),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
