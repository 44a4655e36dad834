/* SPDX-License-Identifier: ISC */
/*
 * What the parent starts a mailbox process for (I12, I13): a statement of the router's under its MAC, fresh, for an action
 * of the configuration that delivers to a mailbox, and never for root. The family is played by the test.
 */
#include "tests/unit/unit.h"

#include <sys/socket.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/loop.h"
#include "parent/daemon.h"
#include "parent/requests.h"

struct daemon postern;

static struct {
	struct child queue;
	struct channel *queue_end;
	bool in_use; /* the number asked for has a process already */
	size_t mailboxes;
	unsigned started; /* mailbox processes */
	struct spawn_user user;
	gid_t groups[PROTO_GROUPS_MAX + 1];
	unsigned refused;
	bool permanent;
	char why[PROTO_TEXT_MAX + 1];
	unsigned stops;
	unsigned told_pause;
	struct child mailbox;
	struct channel *mailbox_end;
} family;

/* --- the family --- */

struct child *
family_find(enum proto_kind kind, uint64_t instance)
{
	static struct child other;

	(void)instance;
	if (kind == PROTO_KIND_MAILBOX)
		return family.in_use ? &other : NULL;
	return kind == PROTO_KIND_QUEUE ? &family.queue : NULL;
}

size_t
family_mailboxes(void)
{
	return family.mailboxes;
}

static bool
ignore_message(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	(void)arg;
	(void)id;
	(void)fd;
	if (type == PROTO_MAILBOX_ENDED_TYPE) {
		family.refused++;
		family.permanent = msg->mailbox_ended.permanent;
		(void)str_copy(msg->mailbox_ended.text, family.why, sizeof(family.why));
	}
	return true;
}

static void
ignore_close(void *arg, const char *violation)
{
	(void)arg;
	assert_null(violation);
}

static struct channel *
pair(struct channel **ours, enum proto_kind kind)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	*ours = channel_new(ends[0], PROTO_KIND_PARENT, kind, ignore_message, ignore_close, NULL);
	return channel_new(ends[1], kind, PROTO_KIND_PARENT, ignore_message, ignore_close, NULL);
}

struct child *
family_add_mailbox(uint64_t number, const struct spawn_user *user, struct error *err)
{
	(void)number;
	(void)err;
	family.started++;
	if (user != NULL) {
		family.user = *user;
		memcpy(family.groups, user->groups, user->groups_count * sizeof(gid_t));
	}
	return &family.mailbox;
}

void
family_introduce_queue(struct child *mailbox)
{
	(void)mailbox;
}

void
family_tell_all(enum proto_type type, const void *msg)
{
	(void)msg;
	family.told_pause += type == PROTO_PAUSE_TYPE;
}

void
family_stop(void)
{
	family.stops++;
}

/* --- statements --- */

static const struct {
	const char *row;
	bool privileged;
	int64_t age_ms;
	uint64_t action; /* 0: maildir, 1: relay, 2: mbox, 7: none */
	uint64_t uid;
	uint64_t gid;
	size_t mailboxes;
	gid_t group;     /* one of the user's others */
	const char *why; /* NULL: a process is started */
	bool permanent;
} statements[] = {
	{ "a user's Maildir", true, 0, 0, 1000, 1000, 0, 1001, NULL, false },
	{ "a user's mbox", true, 0, 2, 1000, 1000, 0, 1001, NULL, false },
	{ "uid 0 is refused", true, 0, 0, 0, 1000, 0, 1001, "deliveries as root are refused", true },
	{ "gid 0 is refused", true, 0, 0, 1000, 0, 0, 1001, "deliveries as root are refused", false },
	{ "an action that relays is refused", true, 0, 1, 1000, 1000, 0, 1001,
	    "the action of the delivery statement does not deliver to a mailbox", false },
	{ "an action that is not configured is refused", true, 0, 7, 1000, 1000, 0, 1001,
	    "the action of the delivery statement does not deliver to a mailbox", false },
	{ "an old statement is refused", true, 70000, 0, 1000, 1000, 0, 1001, "the delivery statement is too old",
	    false },
	{ "one process too many is refused", true, 0, 0, 1000, 1000, 64, 1001, "too many mailbox processes", false },
	{ "another user without root is refused", false, 0, 0, 54321, 54321, 0, 1001,
	    "not started as root: deliveries to other users are not possible", false },
	{ "uid 0xffffffff, which is nobody, is refused", true, 0, 0, UINT32_MAX, 1000, 0, 1001,
	    "the delivery statement is broken", false },
	{ "gid 0xffffffff is refused", true, 0, 0, 1000, UINT32_MAX, 0, 1001, "the delivery statement is broken",
	    false },
	{ "a group 0xffffffff is refused", true, 0, 0, 1000, 1000, 0, UINT32_MAX, "the delivery statement is broken",
	    false },
	{ "the largest ids that are somebody's", true, 0, 0, UINT32_MAX - 1, UINT32_MAX - 1, 0, UINT32_MAX - 1, NULL,
	    false },
};

static void
make_statement(size_t i, struct buf *out)
{
	const gid_t groups[] = { 1000, 0, statements[i].group };
	struct msg_statement s = {
		.expires_ms = (uint64_t)(loop_wall_ms() + 60000 - statements[i].age_ms),
		.action = statements[i].action,
		.user = S("joe"),
		.uid = statements[i].uid,
		.gid = statements[i].gid,
		.groups = { (const char *)groups, sizeof(groups) },
		.home = S("/home/joe"),
	};

	buf_reset(out);
	assert_true(seal_make(postern.statements, PROTO_STATEMENT_TYPE, &s, out));
}

static bool
ask(struct str sealed)
{
	union proto_message msg = { .mailbox_start = { .statement = sealed } };
	bool ok;

	family.started = 0;
	family.refused = 0;
	family.permanent = false;
	family.why[0] = '\0';
	ok = requests_handle(&family.queue, PROTO_MAILBOX_START_TYPE, 5, &msg);
	loop_turn();
	loop_turn();
	return ok;
}

static void
test_statements(void **state)
{
	struct buf sealed;
	size_t i;

	(void)state;
	buf_init(&sealed, PROTO_TICKET_MAX);
	for (i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
		postern.privileged = statements[i].privileged;
		family.mailboxes = statements[i].mailboxes;
		make_statement(i, &sealed);
		if (!ask(buf_str(&sealed)))
			row_fail(statements[i].row, "%s", "the queue was called a rule breaker");
		if (family.started != (statements[i].why == NULL) || family.refused != (statements[i].why != NULL))
			row_fail(statements[i].row, "started %u, refused %u: %s", family.started, family.refused,
			    family.why);
		if (statements[i].why != NULL &&
		    (strcmp(family.why, statements[i].why) != 0 || family.permanent != statements[i].permanent))
			row_fail(statements[i].row, "said \"%s\", permanent %d", family.why, family.permanent);
	}
	family.mailboxes = 0;
	buf_clear(&sealed);
}

static void
test_groups_are_the_users_without_root(void **state)
{
	struct buf sealed;

	(void)state;
	postern.privileged = true;
	buf_init(&sealed, PROTO_TICKET_MAX);
	make_statement(0, &sealed);
	assert_true(ask(buf_str(&sealed)));
	assert_int_equal(family.user.uid, 1000);
	assert_int_equal(family.user.gid, 1000);
	assert_int_equal(family.user.groups_count, 2);
	assert_int_equal(family.groups[0], 1000);
	assert_int_equal(family.groups[1], 1001);
	buf_clear(&sealed);
}

static void
test_every_changed_bit_is_refused(void **state)
{
	struct buf sealed;
	size_t bit;

	(void)state;
	postern.privileged = true;
	buf_init(&sealed, PROTO_TICKET_MAX);
	make_statement(0, &sealed);
	for (bit = 0; bit < sealed.len * 8; bit++) {
		sealed.data[bit / 8] ^= (char)(1 << bit % 8);
		if (ask(buf_str(&sealed)) || family.started != 0)
			fail_msg("bit %zu changed, and it was believed", bit);
		sealed.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	assert_false(ask((struct str){ sealed.data, sealed.len - 1 }));
	assert_false(ask((struct str){ sealed.data, 0 }));
	buf_clear(&sealed);
}

static void
test_a_number_in_use_is_refused_for_now(void **state)
{
	struct buf sealed;

	(void)state;
	postern.privileged = true;
	buf_init(&sealed, PROTO_TICKET_MAX);
	make_statement(0, &sealed);
	family.in_use = true;
	assert_true(ask(buf_str(&sealed)));
	family.in_use = false;
	assert_int_equal(family.started, 0);
	assert_int_equal(family.refused, 1);
	assert_false(family.permanent);
	assert_string_equal(family.why, "an earlier mailbox process has not ended yet");
	buf_clear(&sealed);
}

static void
test_pause_is_kept_and_told(void **state)
{
	union proto_message msg = { .set_pause = { .what = PROTO_PAUSE_MTA, .paused = true } };

	(void)state;
	assert_true(requests_handle(&family.queue, PROTO_SET_PAUSE_TYPE, 0, &msg));
	assert_true(postern.paused.mta && !postern.paused.mda && !postern.paused.smtp);
	assert_int_equal(family.told_pause, 1);
	assert_true(requests_handle(&family.queue, PROTO_STOP_TYPE, 0, &msg));
	assert_int_equal(family.stops, 1);
	assert_false(requests_handle(&family.queue, PROTO_JOB_TYPE, 0, &msg));
}

static int
make_daemon(void **state)
{
	static struct config config;
	static struct config_action actions[] = {
		{ .name = "local", .method = CONFIG_METHOD_MAILDIR, .index = 0 },
		{ .name = "out", .method = CONFIG_METHOD_RELAY, .index = 1 },
		{ .name = "spool", .method = CONFIG_METHOD_MBOX, .index = 2 },
	};
	size_t i;

	(void)state;
	STAILQ_INIT(&config.actions);
	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		STAILQ_INSERT_TAIL(&config.actions, &actions[i], next);
	postern.config = &config;
	arc4random_buf(postern.statement_key, sizeof(postern.statement_key));
	postern.statements = seal_new((struct str){ postern.statement_key, sizeof(postern.statement_key) });
	log_init("test", STDERR_FILENO, LOG_TEXT, LOG_ERROR);
	loop_init();
	requests_init();
	family.queue_end = pair(&family.queue.channel, PROTO_KIND_QUEUE);
	family.mailbox_end = pair(&family.mailbox.channel, PROTO_KIND_MAILBOX);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_statements),
		cmocka_unit_test(test_groups_are_the_users_without_root),
		cmocka_unit_test(test_every_changed_bit_is_refused),
		cmocka_unit_test(test_a_number_in_use_is_refused_for_now),
		cmocka_unit_test(test_pause_is_kept_and_told),
	};

	return cmocka_run_group_tests(tests, make_daemon, NULL);
}
