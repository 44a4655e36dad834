/* SPDX-License-Identifier: ISC */
/*
 * Promised: a user is asked for once, remembered for its time, and never asked for by a name that no user can have; an answer
 * to a question that was not asked is refused; a userdb that comes back is asked again.
 */
#include "router/users.h"

#include <sys/socket.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/loop.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct asker {
	struct users_wait wait;
	unsigned calls;
	enum proto_answer status;
	uint32_t uid;
	char home[64];
};

static void
on_user(void *arg, const struct user *user)
{
	struct asker *a = arg;

	a->calls++;
	a->status = user->status;
	a->uid = user->uid;
	(void)strlcpy(a->home, user->home, sizeof(a->home));
}

static const struct user *
get(struct users *users, struct asker *a, const char *name, bool fresh)
{
	*a = (struct asker){ .wait = { .fn = on_user, .arg = a } };
	return users_get(users, str_of(name), fresh, &a->wait);
}

static bool
say(struct users *users, uint64_t id, const char *name, enum proto_answer status, uint32_t uid)
{
	struct msg_user_answer answer = { .status = status, .name = str_of(name), .uid = uid, .home = STR("/home/x") };

	return users_answer(users, id, &answer);
}

static void
test_an_answer_is_remembered(void **state)
{
	struct users *users = users_new();
	const struct user *user;
	struct asker a, b;

	(void)state;
	assert_null(get(users, &a, "joe", false));
	assert_null(get(users, &b, "joe", false));
	assert_int_equal(users_pending(users), 1);
	assert_true(say(users, 1, "joe", PROTO_ANSWER_FOUND, 1000));
	assert_int_equal(users_pending(users), 0);
	assert_int_equal(a.calls, 1);
	assert_int_equal(b.calls, 1);
	assert_int_equal(b.uid, 1000);
	assert_string_equal(b.home, "/home/x");
	user = get(users, &a, "joe", false);
	assert_non_null(user);
	assert_int_equal(user->uid, 1000);
	assert_string_equal(user->home, "/home/x");
	users_free(users);
}

static void
test_fresh_means_asked_again(void **state)
{
	struct users *users = users_new();
	struct asker a;

	(void)state;
	assert_null(get(users, &a, "joe", false));
	assert_true(say(users, 1, "joe", PROTO_ANSWER_FOUND, 1000));
	assert_null(get(users, &a, "joe", true));
	assert_true(say(users, 2, "joe", PROTO_ANSWER_NONE, 0));
	assert_int_equal(a.status, PROTO_ANSWER_NONE);
	assert_int_equal(get(users, &a, "joe", false)->status, PROTO_ANSWER_NONE);
	users_free(users);
}

static void
test_trouble_is_not_remembered(void **state)
{
	struct users *users = users_new();
	struct asker a;

	(void)state;
	assert_null(get(users, &a, "joe", false));
	assert_true(say(users, 1, "joe", PROTO_ANSWER_TEMPORARY, 0));
	assert_int_equal(a.status, PROTO_ANSWER_TEMPORARY);
	assert_null(get(users, &a, "joe", false));
	users_cancel(users, &a.wait);
	users_free(users);
}

static void
test_who_gave_up_is_not_called(void **state)
{
	struct users *users = users_new();
	struct asker a, b;

	(void)state;
	assert_null(get(users, &a, "joe", false));
	assert_null(get(users, &b, "joe", false));
	users_cancel(users, &a.wait);
	users_cancel(users, &a.wait);
	assert_true(say(users, 1, "joe", PROTO_ANSWER_FOUND, 1000));
	assert_int_equal(a.calls, 0);
	assert_int_equal(b.calls, 1);
	users_free(users);
}

static void
test_names_that_no_user_can_have_are_not_asked_for(void **state)
{
	static const char *const names[] = { "", "a b", "a/b", "../x", "a:b", "a@b", "a\nb", "$x", "${run{x}}", "*",
		"a;b", "j\xc3\xb6", "a%b",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
	struct users *users = users_new();
	const struct user *user;
	struct asker a;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(names); i++) {
		user = get(users, &a, names[i], true);
		if (user == NULL || user->status != PROTO_ANSWER_NONE)
			row_fail(names[i], "%s", "was asked for");
	}
	assert_int_equal(users_pending(users), 0);
	users_free(users);
}

static void
test_answers_that_nobody_asked_for_are_refused(void **state)
{
	struct users *users = users_new();
	struct msg_user_answer odd = { .status = PROTO_ANSWER_FOUND, .name = STR("joe"), .groups = STR("abc") };
	struct asker a;

	(void)state;
	assert_false(say(users, 1, "joe", PROTO_ANSWER_FOUND, 1));
	assert_null(get(users, &a, "joe", false));
	assert_false(say(users, 2, "joe", PROTO_ANSWER_FOUND, 1));
	assert_false(say(users, 0, "joe", PROTO_ANSWER_FOUND, 1));
	assert_false(say(users, 1, "bob", PROTO_ANSWER_FOUND, 1));
	assert_false(users_answer(users, 1, &odd));
	assert_int_equal(a.calls, 0);
	assert_true(say(users, 1, "joe", PROTO_ANSWER_FOUND, 1));
	assert_true(say(users, 1, "joe", PROTO_ANSWER_FOUND, 2)); /* late, and in vain */
	assert_int_equal(a.calls, 1);
	assert_int_equal(get(users, &a, "joe", false)->uid, 1);
	users_free(users);
}

static void
test_questions_are_limited(void **state)
{
	static struct asker askers[USERS_PENDING_MAX + 1];
	struct users *users = users_new();
	const struct user *user;
	char name[32];
	size_t i;

	(void)state;
	for (i = 0; i < USERS_PENDING_MAX; i++) {
		(void)snprintf(name, sizeof(name), "user%zu", i);
		assert_null(get(users, &askers[i], name, false));
	}
	user = get(users, &askers[i], "onemore", false);
	assert_non_null(user);
	assert_int_equal(user->status, PROTO_ANSWER_TEMPORARY);
	assert_null(get(users, &askers[i], "user7", false)); /* shares a question */
	users_free(users);
}

/* --- a userdb that goes and comes --- */

static unsigned questions;
static uint64_t last_question;

static bool
on_question(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	(void)arg;
	(void)fd;
	assert_int_equal(type, PROTO_USER_ASK_TYPE);
	assert_true(str_equal(msg->user_ask.name, S("joe")));
	questions++;
	last_question = id;
	return true;
}

static void
on_closed(void *arg, const char *violation)
{
	(void)arg;
	(void)violation;
}

static bool
on_nothing(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	(void)arg;
	(void)type;
	(void)id;
	(void)msg;
	(void)fd;
	return true;
}

static void
test_a_new_userdb_is_asked_again(void **state)
{
	struct users *users = users_new();
	struct channel *ours, *theirs;
	struct asker a;
	unsigned round;
	int fds[2];

	(void)state;
	questions = 0;
	assert_null(get(users, &a, "joe", false));
	for (round = 1; round <= 2; round++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		ours = channel_new(fds[0], PROTO_KIND_ROUTER, PROTO_KIND_USERDB, on_nothing, on_closed, NULL);
		theirs = channel_new(fds[1], PROTO_KIND_USERDB, PROTO_KIND_ROUTER, on_question, on_closed, NULL);
		users_set_channel(users, ours);
		while (questions < round)
			loop_turn();
		users_set_channel(users, NULL);
		channel_free(ours);
		channel_free(theirs);
	}
	assert_true(say(users, last_question, "joe", PROTO_ANSWER_FOUND, 5));
	assert_int_equal(a.uid, 5);
	users_free(users);
}

static int
begin(void **state)
{
	(void)state;
	loop_init();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_answer_is_remembered),
		cmocka_unit_test(test_fresh_means_asked_again),
		cmocka_unit_test(test_trouble_is_not_remembered),
		cmocka_unit_test(test_who_gave_up_is_not_called),
		cmocka_unit_test(test_names_that_no_user_can_have_are_not_asked_for),
		cmocka_unit_test(test_answers_that_nobody_asked_for_are_refused),
		cmocka_unit_test(test_questions_are_limited),
		cmocka_unit_test(test_a_new_userdb_is_asked_again),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
