/* SPDX-License-Identifier: ISC */
/*
 * Promised: every recipient of a job gets its copy and its result, the job its end; a copy that is not whole leaves nothing;
 * a queue that breaks the rules is refused. A real channel stands between the test, which plays queue, and the delivery.
 */
#include "mailbox/delivery.h"

#include <sys/socket.h>

#include "common/log.h"
#include "common/loop.h"
#include "mailbox/maildir.h"
#include "mailbox/mbox.h"
#include "tests/unit/mailbox/sandpit.h"

enum { RESULTS_MAX = 16, JOB_ID = 7 };

static struct where where;
static struct error trouble;
static struct delivery *delivery;
static struct channel *queue;   /* the test's end */
static struct channel *mailbox; /* the delivery's end */
static bool violation;
static int idle_calls;

/* What the delivery said. */
static struct {
	int results, ends, pulls;
	bool host_down;
	uint64_t number[RESULTS_MAX];
	enum proto_result result[RESULTS_MAX];
	char text[RESULTS_MAX][256];
	unsigned code[RESULTS_MAX];
	char enhanced[RESULTS_MAX][16];
} said;

/* The message that queue plays. */
static struct str message;
static size_t piece_size;
static uint64_t lost_from; /* queue cannot read what stands there and behind; 0: all is well */

static void
send_piece(uint64_t offset)
{
	size_t len = message.len - (size_t)offset < piece_size ? message.len - (size_t)offset : piece_size;

	if (lost_from != 0 && offset >= lost_from) {
		SEND(queue, JOB_CANCEL, job_cancel, JOB_ID, .text = S("The spool is damaged."));
		return;
	}
	SEND(queue, JOB_BODY, job_body, JOB_ID, .offset = offset, .bytes = { message.ptr + offset, len });
}

static bool
queue_hears(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	(void)arg;
	(void)fd;
	assert_int_equal(id, JOB_ID);
	if (type == PROTO_JOB_PULL_TYPE) {
		said.pulls++;
		send_piece(msg->job_pull.offset);
	} else if (type == PROTO_JOB_RESULT_TYPE) {
		said.number[said.results] = msg->job_result.number;
		said.result[said.results] = (enum proto_result)msg->job_result.result;
		said.code[said.results] = (unsigned)msg->job_result.code;
		(void)str_copy(msg->job_result.text, said.text[said.results], sizeof(said.text[0]));
		(void)str_copy(msg->job_result.enhanced, said.enhanced[said.results], sizeof(said.enhanced[0]));
		said.results++;
	} else {
		said.ends++;
		said.host_down = msg->job_end.host_down;
	}
	return true;
}

static bool
mailbox_hears(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	bool ok;

	(void)arg;
	(void)fd;
	if (type == PROTO_JOB_TYPE)
		ok = delivery_take_job(delivery, mailbox, id, &msg->job);
	else if (type == PROTO_JOB_RCPT_TYPE)
		ok = delivery_take_rcpt(delivery, id, &msg->job_rcpt);
	else if (type == PROTO_JOB_CANCEL_TYPE)
		ok = delivery_take_cancel(delivery, id, &msg->job_cancel);
	else
		ok = delivery_take_body(delivery, id, &msg->job_body);
	violation = violation || !ok;
	return ok;
}

static void
closed(void *arg, const char *why)
{
	(void)arg;
	(void)why;
}

static void
became_idle(void *arg)
{
	(void)arg;
	idle_calls++;
}

static void
set_where(const char *path, enum config_method method)
{
	struct msg_mailbox_setup setup = { .method = method,
		.sub_addr_delim = '+',
		.path = str_of(path),
		.user = STR("joe"),
		.action = STR("local") };
	struct error err;

	setup.home = str_of(sandpit_path);
	if (!where_set(&where, &setup, &err) || !where_open(&where, &err))
		fail_msg("%s", err.text);
}

static int
setup(void **state)
{
	int pair[2];

	if (sandpit_setup(state) != 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	memset(&said, 0, sizeof(said));
	violation = false;
	idle_calls = 0;
	piece_size = PROTO_CHUNK_MAX;
	lost_from = 0;
	set_where("", CONFIG_METHOD_MAILDIR);
	delivery = delivery_new(&where, NULL, became_idle, NULL);
	queue = channel_new(pair[0], PROTO_KIND_QUEUE, PROTO_KIND_MAILBOX, queue_hears, closed, NULL);
	mailbox = channel_new(pair[1], PROTO_KIND_MAILBOX, PROTO_KIND_QUEUE, mailbox_hears, closed, NULL);
	return 0;
}

static int
teardown(void **state)
{
	delivery_free(delivery);
	channel_free(queue);
	channel_free(mailbox);
	where_close(&where);
	loop_turn();
	return sandpit_teardown(state);
}

static void
send_job(struct str text, const char *const *rcpts, size_t count)
{
	size_t i;

	message = text;
	SEND(queue, JOB, job, JOB_ID, .message = 1, .action = S("local"), .destination = S("local/joe"),
	    .reverse_path = S("ann@s.example"), .size = text.len, .rcpts = count);
	for (i = 0; i < count; i++)
		SEND(queue, JOB_RCPT, job_rcpt, JOB_ID, .number = 10 + i, .address = str_of(rcpts[i]),
		    .forward_path = S("joe@d.example"));
	send_piece(0);
}

static void
run_until_end(void)
{
	int turns;

	for (turns = 0; turns < 20000 && said.ends == 0 && !violation; turns++)
		loop_turn();
}

static void
read_only_file(const char *directory, char *text, size_t size)
{
	int fd = openat(sandpit, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = fdopendir(fd);
	struct dirent *entry;
	char path[512];

	text[0] = '\0';
	assert_non_null(names);
	while ((entry = readdir(names)) != NULL)
		if (entry->d_name[0] != '.') {
			(void)snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
			(void)sandpit_read(path, text, size);
		}
	(void)closedir(names);
}

static void
empty(const char *directory)
{
	int fd = openat(sandpit, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = fdopendir(fd);
	struct dirent *entry;

	assert_non_null(names);
	while ((entry = readdir(names)) != NULL)
		if (entry->d_name[0] != '.')
			assert_int_equal(unlinkat(fd, entry->d_name, 0), 0);
	(void)closedir(names);
}

static const char *const joe[] = { "joe@d.example" };

#define TOP "Return-Path: <ann@s.example>\nDelivered-To: joe@d.example\n"

static void
test_a_message_gets_its_trace_and_lf(void **state)
{
	char text[1024];

	(void)state;
	send_job(S("Subject: x\r\n\r\nline\r\n\r\nlast\r\n"), joe, 1);
	run_until_end();
	assert_int_equal(said.results, 1);
	assert_int_equal(said.number[0], 10);
	assert_int_equal(said.result[0], PROTO_RESULT_DELIVERED);
	assert_int_equal(said.pulls, 0);
	assert_false(said.host_down);
	assert_int_equal(idle_calls, 1);
	read_only_file("Maildir/new", text, sizeof(text));
	assert_string_equal(text, TOP "Subject: x\n\nline\n\nlast\n");
}

static void
test_pieces_are_pulled_and_put_together(void **state)
{
	static char body[5000], want[sizeof(body) + 256], text[sizeof(want)];
	size_t len = 0, i = 0;
	struct str s;

	(void)state;
	while (len + 64 < sizeof(body))
		len += (size_t)snprintf(body + len, sizeof(body) - len, "line %zu\r\r\n", i++);
	s = (struct str){ body, len };
	for (piece_size = 1; piece_size < 40; piece_size += 13) {
		char *end = stpcpy(want, TOP);
		memset(&said, 0, sizeof(said));
		for (i = 0; i < len; i++)
			if (body[i] != '\r' || body[i + 1] != '\n')
				*end++ = body[i];
		*end = '\0';
		send_job(s, joe, 1);
		run_until_end();
		assert_int_equal(said.results, 1);
		read_only_file("Maildir/new", text, sizeof(text));
		assert_string_equal(text, want);
		empty("Maildir/new");
	}
}

static void
test_every_recipient_has_a_copy_and_a_result(void **state)
{
	static const char *const three[] = { "joe@d.example", "joe+a@d.example", "list@d.example" };

	(void)state;
	piece_size = 10;
	send_job(S("Subject: x\r\n\r\nsome text\r\n"), three, 3);
	run_until_end();
	assert_int_equal(said.results, 3);
	assert_int_equal(said.ends, 1);
	assert_int_equal(said.number[2], 12);
	assert_int_equal(sandpit_count("Maildir/new"), 3);
	assert_int_equal(sandpit_count("Maildir/tmp"), 0);
}

static void
test_a_message_that_breaks_off_leaves_nothing(void **state)
{
	static const char *const two[] = { "joe@d.example", "list@d.example" };
	static const enum config_method methods[] = { CONFIG_METHOD_MAILDIR, CONFIG_METHOD_MBOX };
	char text[256];
	size_t i, n;

	(void)state;
	piece_size = 10;
	lost_from = 20;
	for (i = 0; i < 2; i++) {
		where_close(&where);
		set_where(methods[i] == CONFIG_METHOD_MBOX ? "~/box" : "", methods[i]);
		memset(&said, 0, sizeof(said));
		send_job(S("Subject: x\r\n\r\nsome text\r\n"), two, 2);
		run_until_end();
		assert_int_equal(said.results, 2);
		assert_int_equal(said.ends, 1);
		assert_int_equal(said.pulls, 2); /* not again for the second */
		for (n = 0; n < 2; n++) {
			assert_int_equal(said.result[n], PROTO_RESULT_DEFERRED);
			assert_int_equal(said.code[n], 451);
			assert_string_equal(said.enhanced[n], "4.3.0");
			assert_non_null(strstr(said.text[n], "The spool is damaged."));
		}
		assert_false(violation);
	}
	assert_int_equal(sandpit_count("Maildir/new"), 0);
	assert_int_equal(sandpit_count("Maildir/tmp"), 0);
	assert_int_equal(sandpit_read("box", text, sizeof(text)), 0);
}

static void
test_L09_a_loop_fails_and_the_others_go_on(void **state)
{
	static const char *const two[] = { "joe@d.example", "joe+a@d.example" };

	(void)state;
	send_job(S("Received: x\r\nDelivered-To: joe@d.example\r\n\r\nx\r\n"), two, 2);
	run_until_end();
	assert_int_equal(said.results, 2);
	assert_int_equal(said.result[0], PROTO_RESULT_FAILED);
	assert_string_equal(said.enhanced[0], "5.4.6");
	assert_int_equal(said.result[1], PROTO_RESULT_DELIVERED);
	assert_int_equal(sandpit_count("Maildir/new"), 1);
	assert_int_equal(sandpit_count("Maildir/tmp"), 0);
}

static void
test_a_full_disk_puts_off(void **state)
{
	(void)state;
	send_job(S("a: b\r\n\r\nx\r\n"), joe, 1);
	run_until_end();
	memset(&said, 0, sizeof(said));
	send_job(S("a: b\r\n\r\nx\r\n"), joe, 1);
	loop_turn(); /* queue's end writes */
	fault_set(1, ENOSPC);
	run_until_end();
	fault_set(0, 0);
	assert_int_equal(said.result[0], PROTO_RESULT_DEFERRED);
	assert_string_equal(said.enhanced[0], "4.3.1");
	assert_null(strstr(said.text[0], sandpit_path)); /* a bounce shows no path of the user's */
	assert_int_equal(sandpit_count("Maildir/new"), 1);
}

static void
test_an_mbox_that_is_locked_is_waited_for(void **state)
{
	int turns;

	(void)state;
	where_close(&where);
	set_where("~/box", CONFIG_METHOD_MBOX);
	sandpit_write("box.lock", "", 0600);
	send_job(S("a: b\r\n\r\nx\r\n"), joe, 1);
	for (turns = 0; turns < 20; turns++)
		loop_turn();
	assert_int_equal(said.results, 0);
	assert_true(delivery_busy(delivery));
	assert_int_equal(unlinkat(sandpit, "box.lock", 0), 0);
	while (said.ends == 0 && !violation) {
		(void)usleep(1000);
		loop_turn();
	}
	assert_int_equal(said.result[0], PROTO_RESULT_DELIVERED);
	assert_int_equal(said.pulls, 1);
}

static void
begin_with_trouble(enum error_kind kind, const char *text)
{
	(void)error_set(&trouble, kind, "%s", text);
	delivery_free(delivery);
	delivery = delivery_new(&where, &trouble, became_idle, NULL);
	memset(&said, 0, sizeof(said));
}

static void
test_a_mailbox_that_cannot_be_reached_puts_every_job_off(void **state)
{
	static const char *const two[] = { "joe@d.example", "joe+a@d.example" };
	int i;

	(void)state;
	begin_with_trouble(ERROR_TEMPORARY, "home directory of joe: No such file or directory");
	for (i = 1; i <= 2; i++) {
		memset(&said, 0, sizeof(said));
		send_job(S("a: b\r\n\r\nx\r\n"), two, 2);
		run_until_end();
		assert_int_equal(said.results, 2);
		assert_int_equal(said.number[1], 11);
		assert_int_equal(said.result[1], PROTO_RESULT_DEFERRED);
		assert_int_equal(said.code[1], 451);
		assert_string_equal(said.enhanced[1], "4.3.0");
		assert_string_equal(
		    said.text[1], "mailbox not reachable: home directory of joe: No such file or directory");
		assert_true(said.host_down);
		assert_int_equal(said.pulls, 0);
		assert_int_equal(idle_calls, i);
	}
	assert_int_equal(sandpit_count("."), 0);
}

static void
test_a_mailbox_that_is_not_configured_puts_off_too(void **state)
{
	(void)state;
	begin_with_trouble(ERROR_PERMANENT, "format specifier %{x}: unknown");
	send_job(S("a: b\r\n\r\nx\r\n"), joe, 1);
	run_until_end();
	assert_int_equal(said.result[0], PROTO_RESULT_DEFERRED);
	assert_string_equal(said.enhanced[0], "4.3.5");
	assert_non_null(strstr(said.text[0], "%{x}"));
	assert_true(said.host_down);
}

static void
test_a_channel_that_closes_half_way_leaves_nothing(void **state)
{
	int turns;

	(void)state;
	message = S("a: b\r\n\r\nx\r\n");
	SEND(queue, JOB, job, JOB_ID, .message = 1, .size = 1000, .rcpts = 1);
	SEND(queue, JOB_RCPT, job_rcpt, JOB_ID, .number = 1, .address = S("joe@d.example"));
	SEND(queue, JOB_BODY, job_body, JOB_ID, .offset = 0, .bytes = message);
	for (turns = 0; turns < 4 && sandpit_count("Maildir/tmp") != 1; turns++)
		loop_turn();
	assert_int_equal(sandpit_count("Maildir/tmp"), 1);
	delivery_stop(delivery);
	assert_false(delivery_busy(delivery));
	assert_int_equal(sandpit_count("Maildir/tmp"), 0);
	assert_int_equal(sandpit_count("Maildir/new"), 0);
}

static void
test_an_empty_message_is_one(void **state)
{
	char text[256];

	(void)state;
	send_job(S(""), joe, 1);
	run_until_end();
	assert_int_equal(said.result[0], PROTO_RESULT_DELIVERED);
	read_only_file("Maildir/new", text, sizeof(text));
	assert_string_equal(text, TOP);
}

/* --- a queue that breaks the rules --- */

static void
job(uint64_t rcpts, uint64_t size)
{
	SEND(queue, JOB, job, JOB_ID, .message = 1, .size = size, .rcpts = rcpts);
}

static void
rcpt(uint64_t id)
{
	SEND(queue, JOB_RCPT, job_rcpt, id, .number = 1, .address = S("joe@d.example"));
}

static void
body(uint64_t id, uint64_t offset, struct str bytes)
{
	SEND(queue, JOB_BODY, job_body, id, .offset = offset, .bytes = bytes);
}

static void
break_no_recipients(void)
{
	job(0, 10);
}

static void
break_second_job(void)
{
	job(1, 10);
	job(1, 10);
}

static void
break_extra_recipient(void)
{
	job(1, 10);
	rcpt(JOB_ID);
	rcpt(JOB_ID);
}

static void
break_recipient_without_job(void)
{
	rcpt(JOB_ID);
}

static void
break_body_without_job(void)
{
	body(JOB_ID, 0, S("x"));
}

static void
break_body_before_recipients(void)
{
	job(2, 10);
	rcpt(JOB_ID);
	body(JOB_ID, 0, S("x"));
}

static void
break_body_elsewhere(void)
{
	job(1, 10);
	rcpt(JOB_ID);
	body(JOB_ID, 5, S("x"));
}

static void
break_body_too_long(void)
{
	job(1, 3);
	rcpt(JOB_ID);
	body(JOB_ID, 0, S("four"));
}

static void
break_body_empty(void)
{
	job(1, 3);
	rcpt(JOB_ID);
	body(JOB_ID, 0, S(""));
}

static void
break_body_of_another_job(void)
{
	job(1, 3);
	rcpt(JOB_ID);
	body(JOB_ID + 1, 0, S("x"));
}

static const struct {
	const char *name;
	void (*play)(void);
} breaks[] = {
	{ "a job without recipients", break_no_recipients },
	{ "a job while one runs", break_second_job },
	{ "a recipient too many", break_extra_recipient },
	{ "a recipient without a job", break_recipient_without_job },
	{ "a body without a job", break_body_without_job },
	{ "a body before its recipients", break_body_before_recipients },
	{ "a piece that was not asked for", break_body_elsewhere },
	{ "a piece behind the end", break_body_too_long },
	{ "an empty piece before the end", break_body_empty },
	{ "a piece of another job", break_body_of_another_job },
};

static void
test_a_queue_that_breaks_the_rules_is_refused(void **state)
{
	size_t i;
	int turns;

	for (i = 0; i < COUNT(breaks); i++) {
		breaks[i].play();
		for (turns = 0; turns < 10 && !violation; turns++)
			loop_turn();
		if (!violation)
			row_fail(breaks[i].name, "%s", "was taken");
		assert_int_equal(said.results, 0);
		assert_int_equal(teardown(state), 0);
		assert_int_equal(setup(state), 0);
	}
}

#define WITH_QUEUE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_QUEUE(test_a_message_gets_its_trace_and_lf),
		WITH_QUEUE(test_pieces_are_pulled_and_put_together),
		WITH_QUEUE(test_every_recipient_has_a_copy_and_a_result),
		WITH_QUEUE(test_a_message_that_breaks_off_leaves_nothing),
		WITH_QUEUE(test_L09_a_loop_fails_and_the_others_go_on),
		WITH_QUEUE(test_a_full_disk_puts_off),
		WITH_QUEUE(test_an_mbox_that_is_locked_is_waited_for),
		WITH_QUEUE(test_a_mailbox_that_cannot_be_reached_puts_every_job_off),
		WITH_QUEUE(test_a_mailbox_that_is_not_configured_puts_off_too),
		WITH_QUEUE(test_a_channel_that_closes_half_way_leaves_nothing),
		WITH_QUEUE(test_an_empty_message_is_one),
		WITH_QUEUE(test_a_queue_that_breaks_the_rules_is_refused),
	};

	log_init("test", open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_TEXT, LOG_INFO);
	loop_init();
	return cmocka_run_group_tests_name("delivery", tests, NULL, NULL);
}
