/* SPDX-License-Identifier: ISC */
/*
 * Promised: one event is one line of at most LOG_LINE_MAX bytes in printable ASCII, whatever the values hold; lines leave
 * whole, at a flush; a reader that is gone or slow costs lines, which are counted and told, and never stops the caller.
 * SECURITY rows U07, F20.
 */
#include "common/log.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { ROOM = 1 << 17 };

static char room[ROOM];
static int ends[2]; /* of the pipe that the log is written to */

static int
set_up(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) == -1)
		return -1;
	log_init("smtpd", ends[1], LOG_TEXT, LOG_INFO);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	log_set_fd(STDERR_FILENO);
	(void)close(ends[0]);
	(void)close(ends[1]);
	return 0;
}

/* What was logged and flushed since the last look, terminated. */
static const char *
written(void)
{
	size_t len = 0;
	ssize_t n;

	log_flush();
	while (len < ROOM - 1 && (n = read(ends[0], room + len, ROOM - 1 - len)) > 0)
		len += (size_t)n;
	room[len] = '\0';
	return room;
}

/* Behind "time process[pid]: ". */
static const char *
message(void)
{
	const char *line = written(), *start = strstr(line, "]: ");

	return start == NULL ? line : start + 3;
}

static void
test_a_line_is_time_process_and_event_with_fields(void **state)
{
	char want[200];
	const char *line;

	(void)state;
	log_info("deferred", log_hex(LOG_FIELD_message, 0x2f1c9a0b), log_text(LOG_FIELD_to, "a@d.example"),
	    log_text(LOG_FIELD_reply, "451 4.7.1 later"), log_ms(LOG_FIELD_delay, 12345), log_u64(LOG_FIELD_tries, 2));
	line = written();
	assert_true(strlen(line) > 30 && line[4] == '-' && line[10] == 'T');
	(void)snprintf(want, sizeof(want),
	    "smtpd[%d]: event=deferred message=000000002f1c9a0b to=a@d.example reply=\"451 4.7.1 later\" delay=12.3s "
	    "tries=2\n",
	    getpid());
	assert_string_equal(strstr(line, "smtpd["), want);
}

static void
test_errors_and_warnings_name_their_level(void **state)
{
	(void)state;
	log_error("x", log_u64(LOG_FIELD_count, 1));
	assert_string_equal(message(), "event=x level=error count=1\n");
	log_warning("x", log_u64(LOG_FIELD_count, 1));
	assert_string_equal(message(), "event=x level=warning count=1\n");
	log_notice("x", log_u64(LOG_FIELD_count, 1));
	assert_string_equal(message(), "event=x count=1\n");
}

static void
test_levels_above_the_one_set_are_silent(void **state)
{
	(void)state;
	log_trace("x", log_u64(LOG_FIELD_count, 1));
	assert_string_equal(written(), "");
	log_set_level(LOG_TRACE);
	log_trace("x", log_u64(LOG_FIELD_count, 1));
	assert_string_equal(message(), "event=x count=1\n");
	log_set_level(LOG_ERROR);
	log_warning("x", log_u64(LOG_FIELD_count, 1));
	assert_string_equal(written(), "");
}

/* clang-format off */
static const struct {
	const char *name;
	struct str value;
	const char *text;
	const char *json;
} values[] = {
	{ "a word", STR("word"), "word", "\"word\"" },
	{ "nothing", STR(""), "\"\"", "\"\"" },
	{ "a blank", STR("a b"), "\"a b\"", "\"a b\"" },
	{ "an equals sign", STR("a=b"), "a=b", "\"a=b\"" },
	{ "quotes and backslash", STR("\"\\"), "\"\\\"\\\\\"", "\"\\\"\\\\\"" },
	{ "a new line that would forge another", STR("a\nevent=x"), "\"a\\x0aevent=x\"", "\"a\\u000aevent=x\"" },
	{ "a terminal's escape", STR("\x1b]0;x\x07"), "\"\\x1b]0;x\\x07\"", "\"\\u001b]0;x\\u0007\"" },
	{ "NUL", STR("a\0b"), "\"a\\x00b\"", "\"a\\u0000b\"" },
	{ "C1 control and UTF-8", STR("\x9b\xc3\xa4"), "\"\\x9b\\xc3\\xa4\"", "\"\\u009b\\u00c3\\u00a4\"" },
	{ "a format", STR("%n%s"), "%n%s", "\"%n%s\"" },
};
/* clang-format on */

static void
test_values_are_escaped(void **state)
{
	char want[200];
	const char *line;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(values); i++) {
		log_set_format(LOG_TEXT);
		log_info("x", log_str(LOG_FIELD_helo, values[i].value));
		(void)snprintf(want, sizeof(want), "event=x helo=%s\n", values[i].text);
		line = message();
		if (strcmp(line, want) != 0)
			row_fail(values[i].name, "got %s", line);
		log_set_format(LOG_JSON);
		log_info("x", log_str(LOG_FIELD_helo, values[i].value));
		(void)snprintf(want, sizeof(want), "\"event\":\"x\",\"helo\":%s}\n", values[i].json);
		line = written();
		if (strstr(line, want) == NULL || line[0] != '{')
			row_fail(values[i].name, "got %s", line);
	}
}

static void
test_numbers_in_json_are_numbers_and_ids_texts(void **state)
{
	(void)state;
	log_set_format(LOG_JSON);
	log_info("x", log_u64(LOG_FIELD_size, 7), log_hex(LOG_FIELD_message, 10), log_ms(LOG_FIELD_delay, 1900));
	assert_non_null(strstr(written(), "\"size\":7,\"message\":\"000000000000000a\",\"delay\":1.9}"));
}

/* Every byte, in values of every length up to far over the limit: one line, printable, not too long. */
static void
test_no_value_makes_more_than_one_line(void **state)
{
	char value[8192];
	size_t len, k;

	(void)state;
	for (k = 0; k < sizeof(value); k++)
		value[k] = (char)(k * 7);
	for (len = 0; len < sizeof(value); len = len * 3 / 2 + 1) {
		const char *line;
		log_info("x", log_str(LOG_FIELD_helo, (struct str){ value, len }),
		    log_str(LOG_FIELD_from, (struct str){ value, len }),
		    log_str(LOG_FIELD_to, (struct str){ value, len }),
		    log_str(LOG_FIELD_reply, (struct str){ value, len }));
		line = written();
		assert_true(strlen(line) <= LOG_LINE_MAX && strlen(line) > 0);
		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
		for (k = 0; line[k] != '\n'; k++)
			assert_true(ascii_is_printable(line[k]));
	}
}

static void
test_nothing_leaves_before_the_flush(void **state)
{
	(void)state;
	log_info("one", log_u64(LOG_FIELD_count, 1));
	log_info("two", log_u64(LOG_FIELD_count, 2));
	assert_int_equal(read(ends[0], room, ROOM), -1);
	assert_non_null(strstr(written(), "event=two"));
}

static size_t
count_lines(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

/* What the line about lost lines says, 0 when there is none. */
static uint64_t
lost_of(const char *text)
{
	static const char words[] = "event=log-lines-lost level=warning count=";
	const char *at = strstr(text, words);
	uint64_t lost = 0;

	if (at == NULL)
		return 0;
	at += sizeof(words) - 1;
	assert_true(str_to_u64((struct str){ at, strspn(at, "0123456789") }, UINT64_MAX, &lost));
	return lost;
}

/* The pipe is full for a while: what was lost and what came through add up. */
static void
test_lines_that_a_slow_reader_costs_are_counted(void **state)
{
	enum { LINES = 5000 };
	size_t got;
	int i;

	(void)state;
	for (i = 0; i < LINES; i++) {
		log_info("filler", log_text(LOG_FIELD_error, "some words to fill the pipe with"),
		    log_u64(LOG_FIELD_count, 1));
		if (i % 20 == 0)
			log_flush();
	}
	got = count_lines(written());
	assert_true(got > 0 && got < LINES);
	log_info("after", log_u64(LOG_FIELD_count, 1));
	(void)written();
	assert_int_equal(lost_of(room), LINES - got);
	assert_non_null(strstr(room, "event=after"));
	log_info("again", log_u64(LOG_FIELD_count, 1));
	assert_null(strstr(written(), "log-lines-lost"));
}

static void
test_a_reader_that_is_gone_stops_nobody(void **state)
{
	int fresh[2], i;

	(void)state;
	(void)close(ends[0]);
	for (i = 0; i < 100; i++) {
		log_info("x", log_u64(LOG_FIELD_count, 1));
		log_flush();
	}
	assert_int_equal(pipe2(fresh, O_NONBLOCK | O_CLOEXEC), 0);
	(void)close(ends[1]);
	ends[0] = fresh[0];
	ends[1] = fresh[1];
	log_set_fd(ends[1]);
	log_info("back", log_u64(LOG_FIELD_count, 1));
	(void)written();
	assert_int_equal(lost_of(room), 100);
	assert_non_null(strstr(room, "event=back"));
}

static void
test_a_datagram_socket_gets_one_syslog_message_a_line(void **state)
{
	int both[2];
	ssize_t n;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, both), 0);
	log_set_fd(both[1]);
	log_error("one", log_u64(LOG_FIELD_count, 1));
	log_info("two", log_u64(LOG_FIELD_count, 2));
	log_flush();
	n = recv(both[0], room, ROOM - 1, 0);
	assert_true(n > 0);
	room[n] = '\0';
	assert_ptr_equal(strstr(room, "<19>postern/smtpd["), room);
	assert_non_null(strstr(room, "event=one level=error count=1"));
	assert_null(strchr(room, '\n'));
	n = recv(both[0], room, ROOM - 1, 0);
	assert_true(n > 0);
	room[n] = '\0';
	assert_ptr_equal(strstr(room, "<22>postern/smtpd["), room);
	(void)close(both[0]);
	(void)close(both[1]);
}

static void
test_fatal_says_why_and_ends(void **state)
{
	int status = 0;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0)
		fatal("%s", "no way on");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(ended_fatally(status));
	assert_non_null(strstr(written(), "event=fatal level=error error=\"no way on\"\n"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_line_is_time_process_and_event_with_fields),
		TEST(test_errors_and_warnings_name_their_level),
		TEST(test_levels_above_the_one_set_are_silent),
		TEST(test_values_are_escaped),
		TEST(test_numbers_in_json_are_numbers_and_ids_texts),
		TEST(test_no_value_makes_more_than_one_line),
		TEST(test_nothing_leaves_before_the_flush),
		TEST(test_lines_that_a_slow_reader_costs_are_counted),
		TEST(test_a_reader_that_is_gone_stops_nobody),
		TEST(test_a_datagram_socket_gets_one_syslog_message_a_line),
		TEST(test_fatal_says_why_and_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
