/* SPDX-License-Identifier: ISC */
/*
 * Promise: jobs of a destination share few connections and go on as these get free; a dead host costs one round of attempts
 * for all that wait; private addresses are reached only where the configuration names them. Against a server in the same
 * loop, over loopback.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#include "common/config.h"
#include "common/loop.h"
#include "relay/destination.h"
#include "relay/networks.h"
#include "relay/route.h"

enum { JOBS_MAX = 200, WAIT_MS = 30000, LOOK_MS = 2 };

/* --- a server --- */

struct habits {
	const char *greeting;
	const char *greeting_later; /* from the second connection on; NULL: the same */
	const char *ehlo;
	const char *dot;
};

static const struct habits polite = { "220 mx\r\n", NULL, "250-mx\r\n250 PIPELINING\r\n", "250 Ok\r\n" };

struct guest {
	int fd;
	struct loop_fd readable;
	bool in_data;
	char line[1024];
	size_t len;
};

static struct server {
	int fd;
	int port;
	const struct habits *habits;
	struct loop_fd acceptable;
	unsigned accepted;
	unsigned open;
	unsigned most; /* that were open at once */
	unsigned messages;
	bool stalls; /* no reply to the dot */
} server;

static void
answer(struct guest *g, const char *text)
{
	if (text != NULL)
		(void)send(g->fd, text, strlen(text), MSG_NOSIGNAL);
}

static void
hear_line(struct guest *g)
{
	if (g->in_data) {
		if (strcmp(g->line, ".") != 0)
			return;
		g->in_data = false;
		server.messages++;
		if (!server.stalls)
			answer(g, server.habits->dot);
	} else if (strncmp(g->line, "EHLO", 4) == 0) {
		answer(g, server.habits->ehlo);
	} else if (strcmp(g->line, "DATA") == 0) {
		g->in_data = true;
		answer(g, "354 go\r\n");
	} else {
		answer(g, "250 Ok\r\n");
	}
}

static void
leave(struct guest *g)
{
	loop_fd_stop(&g->readable);
	(void)close(g->fd);
	server.open--;
	loop_reap(free, g);
}

static void
hear(int fd, short what, void *arg)
{
	struct guest *g = arg;
	char block[4096];
	ssize_t n = recv(fd, block, sizeof(block), 0), i;

	(void)what;
	if (n <= 0) {
		leave(g);
		return;
	}
	for (i = 0; i < n; i++) {
		if (block[i] == '\n') {
			g->line[g->len] = '\0';
			g->len = 0;
			hear_line(g);
		} else if (block[i] != '\r') {
			assert_true(g->len < sizeof(g->line) - 1);
			g->line[g->len++] = block[i];
		}
	}
}

static void
welcome(int fd, short what, void *arg)
{
	struct guest *g = calloc(1, sizeof(*g));
	bool later = server.accepted > 0 && server.habits->greeting_later != NULL;

	(void)what;
	(void)arg;
	assert_non_null(g);
	g->fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
	assert_true(g->fd >= 0);
	server.accepted++;
	if (++server.open > server.most)
		server.most = server.open;
	loop_fd_init(&g->readable, g->fd, LOOP_READ, hear, g);
	loop_fd_start(&g->readable);
	answer(g, later ? server.habits->greeting_later : server.habits->greeting);
}

static void
open_server(const struct habits *habits)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);

	memset(&server, 0, sizeof(server));
	server.habits = habits;
	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(server.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(server.fd, (struct sockaddr *)&address, &len), 0);
	server.port = ntohs(address.sin_port);
	assert_int_equal(listen(server.fd, 128), 0);
	loop_fd_init(&server.acceptable, server.fd, LOOP_READ, welcome, NULL);
	loop_fd_start(&server.acceptable);
}

static void
close_server(void)
{
	loop_fd_stop(&server.acceptable);
	(void)close(server.fd);
	server.fd = -1;
}

/* --- the queue's side --- */

static struct {
	struct job_table table;
	unsigned begun;
	unsigned ended;
	unsigned down;
	unsigned results[3];
	char text[PROTO_REPLY_MAX + 32];
	char hop[PROTO_NAME_MAX + 1];
	uint64_t asked; /* the last question */
	bool asked_mx;
	unsigned drained;
} t;

static void
on_result(void *arg, uint64_t id, const struct msg_job_result *r)
{
	struct buf text;

	(void)arg;
	(void)id;
	t.results[r->result]++;
	buf_init(&text, sizeof(t.text));
	assert_true(
	    buf_printf(&text, "%u%s%.*s ", (unsigned)r->code, r->enhanced.len > 0 ? " " : "", STR_ARG(r->enhanced)));
	assert_true(buf_append_str(&text, r->text) && str_copy(buf_str(&text), t.text, sizeof(t.text)));
	buf_clear(&text);
	assert_true(str_copy(r->hop, t.hop, sizeof(t.hop)));
}

static void
on_pull(void *arg, uint64_t id, uint64_t offset)
{
	(void)arg;
	(void)id;
	(void)offset;
	fail();
}

static void
on_end(void *arg, uint64_t id, bool host_down)
{
	(void)arg;
	(void)id;
	t.ended++;
	t.down += host_down;
}

static const struct job_calls job_calls = { destination_submit, on_result, on_pull, on_end };

static void
on_ask(uint64_t id, struct str domain, bool mx)
{
	(void)domain;
	t.asked = id;
	t.asked_mx = mx;
}

static void
on_drained(void)
{
	t.drained++;
}

static struct config *config;

static void
report(void *arg, bool warning, const char *text)
{
	(void)arg;
	(void)warning;
	print_error("%s\n", text);
}

static int
make_config(void **state)
{
	char path[] = "/tmp/test_destination.XXXXXX";
	static const char text[] = "action \"out\" relay\naction \"in\" mbox\nmatch for any action \"out\"\n"
				   "match for local action \"in\"\n";
	struct config_text *bundle;
	int fd = mkstemp(path);

	(void)state;
	loop_init();
	assert_true(fd >= 0 && write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1);
	(void)close(fd);
	bundle = config_text_new(path);
	config = config_parse(bundle, report, NULL);
	config_text_free(bundle);
	(void)unlink(path);
	return config == NULL ? -1 : 0;
}

static int
free_config(void **state)
{
	(void)state;
	config_free(config);
	return 0;
}

static void
begin(void)
{
	memset(&t, 0, sizeof(t));
	assert_true(networks_set(S(""), NULL));
	route_init(on_ask);
	destinations_init(config, "me.example");
	job_table_init(&t.table, &job_calls, NULL);
}

static void
submit(const char *action, const char *destination)
{
	static const char text[] = "Subject: x\r\n\r\nbody\r\n";
	struct msg_job job = { .message = 1,
		.action = str_of(action),
		.destination = str_of(destination),
		.reverse_path = S("s@o.example"),
		.size = sizeof(text) - 1,
		.rcpts = 1 };
	struct msg_job_rcpt rcpt = { .number = 0, .address = S("a@d.example") };
	struct msg_job_body body = { .offset = 0, .bytes = S(text) };
	struct job *piece;
	uint64_t id = ++t.begun;

	assert_true(job_take(&t.table, id, &job));
	assert_true(job_take_rcpt(&t.table, id, &rcpt));
	assert_true(job_take_body(&t.table, id, &body, &piece));
}

static void
submit_to_server(unsigned count)
{
	char destination[64];

	(void)snprintf(destination, sizeof(destination), "out/smtp://127.0.0.1:%d", server.port);
	while (count-- > 0)
		submit("out", destination);
}

static struct loop_timer look_timer;
static int64_t patience_ms;
static bool (*awaited)(const unsigned *value, unsigned wanted);
static const unsigned *awaited_value;
static unsigned awaited_wanted;

static bool
has_reached(const unsigned *value, unsigned wanted)
{
	return *value >= wanted;
}

static void
look(void *arg)
{
	(void)arg;
	if (awaited(awaited_value, awaited_wanted) || loop_now_ms() > patience_ms)
		loop_stop();
	else
		loop_timer_start(&look_timer, LOOK_MS);
}

/* Runs the loop until the condition holds, in time. */
static void
wait_until(bool (*condition)(const unsigned *value, unsigned wanted), const unsigned *value, unsigned wanted)
{
	awaited = condition;
	awaited_value = value;
	awaited_wanted = wanted;
	patience_ms = loop_now_ms() + WAIT_MS;
	loop_timer_init(&look_timer, look, NULL);
	loop_timer_start(&look_timer, 0);
	loop_run();
	if (!condition(value, wanted))
		fail_msg("%u of %u jobs have ended: %s", t.ended, t.begun, t.text);
}

static void
wait_for_value(const unsigned *value, unsigned wanted)
{
	wait_until(has_reached, value, wanted);
}

static void
wait_for(unsigned ended)
{
	wait_for_value(&t.ended, ended);
}

static bool
all_left(const unsigned *value, unsigned wanted)
{
	struct destinations_count count;

	(void)value;
	(void)wanted;
	destinations_count(&count);
	return count.destinations + count.connections == 0 && server.open == 0;
}

/* Everything idle is told to go, and nothing may be left behind. */
static void
end(void)
{
	if (t.drained == 0)
		destinations_drain(on_drained);
	assert_int_equal(t.drained, 1);
	wait_until(all_left, NULL, 0);
	job_table_clear(&t.table);
	close_server();
	loop_turn();
}

/* --- the promises --- */

static void
test_many_jobs_share_few_connections(void **state)
{
	(void)state;
	begin();
	open_server(&polite);
	submit_to_server(JOBS_MAX);
	wait_for(JOBS_MAX);
	assert_int_equal(t.results[PROTO_RESULT_DELIVERED], JOBS_MAX);
	assert_int_equal(server.messages, JOBS_MAX);
	assert_int_equal(server.accepted, RELAY_DESTINATION_CONNECTIONS_MAX);
	assert_string_equal(t.hop, "127.0.0.1");
	assert_string_equal(t.text, "250 Ok");
	submit_to_server(1);
	wait_for(JOBS_MAX + 1);
	assert_int_equal(server.accepted, RELAY_DESTINATION_CONNECTIONS_MAX);
	end();
}

static void
test_a_dead_host_is_down_for_all(void **state)
{
	(void)state;
	begin();
	open_server(&polite);
	loop_fd_stop(&server.acceptable);
	(void)close(server.fd);
	submit_to_server(50);
	wait_for(50);
	assert_int_equal(t.results[PROTO_RESULT_DEFERRED], 50);
	assert_int_equal(t.down, 50);
	assert_non_null(strstr(t.text, "451 4.4.1 127.0.0.1: Connection refused"));
	server.fd = -1;
	end();
}

static void
test_the_next_host_is_tried(void **state)
{
	char destination[128];

	(void)state;
	begin();
	open_server(&polite);
	/* Port 1 of an address of loopback that nobody listens on. */
	(void)snprintf(destination, sizeof(destination), "out/smtp://127.0.0.9:1,smtp://127.0.0.1:%d", server.port);
	submit("out", destination);
	wait_for(1);
	assert_int_equal(t.results[PROTO_RESULT_DELIVERED], 1);
	end();
}

static void
test_a_greeting_of_554_downs_the_host_and_fails_nobody(void **state)
{
	static const struct habits rude = { "554 5.7.1 not you\r\n", NULL, "250 mx\r\n", "250 Ok\r\n" };

	(void)state;
	begin();
	open_server(&rude);
	submit_to_server(3);
	wait_for(3);
	assert_int_equal(t.results[PROTO_RESULT_DEFERRED], 3);
	assert_int_equal(t.down, 3);
	assert_string_equal(t.text, "554 5.7.1 not you");
	end();
}

static void
test_one_connection_is_enough_where_more_are_refused(void **state)
{
	static const struct habits narrow = { "220 mx\r\n", "421 4.7.0 one at a time\r\n",
		"250-mx\r\n250 PIPELINING\r\n", "250 Ok\r\n" };

	(void)state;
	begin();
	open_server(&narrow);
	submit_to_server(100);
	wait_for(100);
	assert_int_equal(t.results[PROTO_RESULT_DELIVERED], 100);
	assert_int_equal(t.down, 0);
	assert_true(server.accepted <= RELAY_DESTINATION_CONNECTIONS_MAX + 1);
	end();
}

static void
test_R09_leftovers_are_seen_by_nobody(void **state)
{
	static const struct habits chatty = { "220 mx\r\n", NULL, "250-mx\r\n250 PIPELINING\r\n",
		"250 Ok\r\n550 no\r\n" };

	(void)state;
	begin();
	open_server(&chatty);
	submit_to_server(30);
	wait_for(30);
	assert_int_equal(t.results[PROTO_RESULT_DELIVERED], 30);
	assert_int_equal(server.accepted, 30);
	end();
}

static void
test_a_useless_session_is_not_opened_for_ever(void **state)
{
	static const struct habits eager = { "220 mx\r\n", NULL, "250 mx\r\n250 Ok\r\n", "250 Ok\r\n" };

	(void)state;
	begin();
	open_server(&eager);
	submit_to_server(5);
	wait_for(5);
	assert_int_equal(t.results[PROTO_RESULT_DEFERRED], 5);
	assert_int_equal(t.down, 5);
	assert_true(server.accepted <= 5);
	end();
}

static void
resolve(const char *host, const char *address, enum proto_route status, const char *text)
{
	struct msg_route_host answer_host = { .preference = 10, .host = str_of(host) };
	struct msg_route_end answer_end = { .status = status, .text = str_of(text) };
	unsigned char bytes[16];

	if (address != NULL) {
		size_t len = inet_pton(AF_INET, address, bytes) == 1 ? 4 : 16;
		assert_true(len == 4 || inet_pton(AF_INET6, address, bytes) == 1);
		answer_host.address = (struct str){ (const char *)bytes, len };
		assert_true(route_take_host(t.asked, &answer_host));
	}
	assert_true(route_take_end(t.asked, &answer_end));
}

static void
test_D06_a_private_mx_is_refused(void **state)
{
	static const char *const addresses[] = { "127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1",
		"64:ff9b::7f00:1" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		begin();
		open_server(&polite);
		submit("out", "out/d.example");
		loop_turn();
		assert_true(t.asked_mx);
		resolve("mx.d.example", addresses[i], PROTO_ROUTE_FOUND, "");
		wait_for(1);
		assert_int_equal(t.results[PROTO_RESULT_FAILED], 1);
		assert_int_equal(t.down, 0);
		assert_non_null(strstr(t.text, "550 5.4.4 mx.d.example: its address is not a public address"));
		assert_int_equal(server.accepted, 0);
		end();
	}
}

static void
test_D06_a_literal_is_no_way_in(void **state)
{
	(void)state;
	begin();
	open_server(&polite);
	submit("out", "out/[127.0.0.1]");
	submit("out", "out/[ipv6:::1]");
	wait_for(2);
	assert_int_equal(t.results[PROTO_RESULT_FAILED], 2);
	end();
}

struct outcome {
	const char *sentence;
	enum proto_route status;
	const char *text;
	enum proto_result result;
	const char *want;
	bool down;
};

static const struct outcome outcomes[] = {
	{ "no such domain", PROTO_ROUTE_NO_DOMAIN, "5.1.2 d.example does not exist", PROTO_RESULT_FAILED,
	    "550 5.1.2 d.example does not exist", false },
	{ "null MX", PROTO_ROUTE_NULL_MX, "", PROTO_RESULT_FAILED, "556 5.1.10 the domain does not accept mail",
	    false },
	{ "DNS is down", PROTO_ROUTE_TEMPORARY, "4.4.3 no answer", PROTO_RESULT_DEFERRED, "451 4.4.3 no answer", true },
	{ "a loop", PROTO_ROUTE_BROKEN, "5.4.6 mail for d.example loops back to myself", PROTO_RESULT_FAILED,
	    "554 5.4.6 mail for d.example loops back to myself", false },
	{ "nothing found", PROTO_ROUTE_FOUND, "", PROTO_RESULT_DEFERRED, "451 4.4.3 no address was found", true },
};

static void
test_D04_outcomes_of_a_lookup(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
		const struct outcome *o = &outcomes[i];

		begin();
		open_server(&polite);
		submit("out", "out/d.example");
		submit("out", "out/d.example");
		loop_turn();
		resolve("", NULL, o->status, o->text);
		wait_for(2);
		if (t.results[o->result] != 2 || strcmp(t.text, o->want) != 0 || t.down != (o->down ? 2 : 0))
			row_fail(o->sentence, "got \"%s\", down %u", t.text, t.down);
		end();
	}
}

static void
test_a_relay_host_that_is_not_found_is_for_the_administrator(void **state)
{
	(void)state;
	begin();
	open_server(&polite);
	submit("out", "out/smtp://mail.d.example:25");
	loop_turn();
	assert_false(t.asked_mx);
	resolve("", NULL, PROTO_ROUTE_NO_DOMAIN, "5.1.2 mail.d.example does not exist");
	wait_for(1);
	assert_int_equal(t.results[PROTO_RESULT_DEFERRED], 1);
	assert_string_equal(t.text, "451 4.3.5 relay host mail.d.example: mail.d.example does not exist");
	end();
}

static void
test_a_relay_host_by_name_may_be_private(void **state)
{
	char destination[64];

	(void)state;
	begin();
	open_server(&polite);
	(void)snprintf(destination, sizeof(destination), "out/smtp://mail.d.example:%d", server.port);
	submit("out", destination);
	loop_turn();
	resolve("mail.d.example", "127.0.0.1", PROTO_ROUTE_FOUND, "");
	wait_for(1);
	assert_int_equal(t.results[PROTO_RESULT_DELIVERED], 1);
	assert_string_equal(t.hop, "mail.d.example");
	end();
}

static void
test_what_the_resolver_may_not_say(void **state)
{
	struct msg_route_host host = { .host = S("x"), .address = S("abc") };
	struct msg_route_end unknown = { .status = PROTO_ROUTE_FOUND };

	(void)state;
	begin();
	open_server(&polite);
	submit("out", "out/d.example");
	loop_turn();
	assert_false(route_take_host(t.asked, &host));
	assert_false(route_take_host(t.asked + 1, &host));
	assert_false(route_take_end(t.asked + 1, &unknown));
	assert_false(route_take_end(0, &unknown));
	resolve("", NULL, PROTO_ROUTE_NULL_MX, "");
	wait_for(1);
	assert_true(route_take_end(t.asked, &unknown)); /* it may have crossed with a cancel */
	end();
}

static void
test_jobs_that_cannot_be_carried_out(void **state)
{
	(void)state;
	begin();
	open_server(&polite);
	submit("gone", "gone/d.example");
	assert_string_equal(t.text, "451 4.3.5 no action \"gone\" for relaying in the configuration");
	submit("in", "in/d.example");
	submit("out", "in/d.example");
	submit("out", "out/");
	submit("out", "out/lmtp://127.0.0.1:24");
	submit("out", "out/smtp+tls://127.0.0.1:25");
	wait_for(6);
	assert_int_equal(t.results[PROTO_RESULT_DEFERRED], 6);
	submit("out", "out/no_domain..example");
	wait_for(7);
	assert_int_equal(t.results[PROTO_RESULT_FAILED], 1);
	end();
}

static void
abandon_all(void)
{
	struct job *job;

	for (job = job_next(&t.table, NULL); job != NULL; job = job_next(&t.table, job))
		destination_abandon(job);
	job_table_clear(&t.table);
}

static void
test_jobs_of_a_queue_that_is_gone(void **state)
{
	struct destinations_count count;

	(void)state;
	begin();
	open_server(&polite);
	server.stalls = true;
	submit_to_server(50);
	submit("out", "out/d.example");
	wait_for_value(&server.messages, RELAY_DESTINATION_CONNECTIONS_MAX);
	abandon_all();
	destinations_count(&count);
	assert_int_equal(count.running, 0);
	assert_int_equal(count.waiting, 0);
	assert_int_equal(t.ended, 0);
	end();
}

static void
test_drain_lets_end_what_runs(void **state)
{
	(void)state;
	begin();
	open_server(&polite);
	server.stalls = true;
	submit_to_server(RELAY_DESTINATION_CONNECTIONS_MAX + 5);
	wait_for_value(&server.messages, RELAY_DESTINATION_CONNECTIONS_MAX);
	destinations_drain(on_drained);
	loop_turn();
	assert_int_equal(t.drained, 0);
	abandon_all();
	assert_int_equal(t.drained, 1);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_jobs_share_few_connections),
		cmocka_unit_test(test_a_dead_host_is_down_for_all),
		cmocka_unit_test(test_the_next_host_is_tried),
		cmocka_unit_test(test_a_greeting_of_554_downs_the_host_and_fails_nobody),
		cmocka_unit_test(test_one_connection_is_enough_where_more_are_refused),
		cmocka_unit_test(test_R09_leftovers_are_seen_by_nobody),
		cmocka_unit_test(test_a_useless_session_is_not_opened_for_ever),
		cmocka_unit_test(test_D06_a_private_mx_is_refused),
		cmocka_unit_test(test_D06_a_literal_is_no_way_in),
		cmocka_unit_test(test_D04_outcomes_of_a_lookup),
		cmocka_unit_test(test_a_relay_host_that_is_not_found_is_for_the_administrator),
		cmocka_unit_test(test_a_relay_host_by_name_may_be_private),
		cmocka_unit_test(test_what_the_resolver_may_not_say),
		cmocka_unit_test(test_jobs_that_cannot_be_carried_out),
		cmocka_unit_test(test_jobs_of_a_queue_that_is_gone),
		cmocka_unit_test(test_drain_lets_end_what_runs),
	};

	return cmocka_run_group_tests(tests, make_config, free_config);
}
