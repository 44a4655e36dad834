/* SPDX-License-Identifier: ISC */
/*
 * Promised of the router as a process, confined, with this test as its parent and peers: verdicts and tickets as configured, in
 * turn for all; whoever breaks the rules of the conversation is cut off and nobody else. SECURITY rows I04, I05, I08, I13, L05.
 */
#include "router/handlers.h"

#include <netinet/in.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/seal.h"
#include "router/limits.h"
#include "tests/unit/router/fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { WAIT_MS = 10000, QUIET_MS = 200 };

static const char config_text[] = "table aliases \"DIR/aliases\"\n"
				  "table people { \"ann\" = \"2001:100:/home/ann\", \"rooty\" = \"0:0:/root\" }\n"
				  "listen on lo port 2525 tag \"outside\" hostname \"mail.example.net\"\n"
				  "action \"local\" maildir alias <aliases>\n"
				  "action \"people\" maildir userbase <people>\n"
				  "action \"vmail\" maildir userbase <people> user vmail\n"
				  "action \"out\" relay ttl 1h\n"
				  "action \"smart\" relay host { \"smtp://a.example\", \"smtp://[2001:db8::1]:587\" }\n"
				  "match from any tag \"outside\" for domain \"people.example\" action \"people\"\n"
				  "match from any for domain \"example.org\" action \"local\"\n"
				  "match from any for domain \"smart.example\" action \"smart\"\n"
				  "match from local for any action \"out\"\n";

static const char ticket_key[] = "0123456789abcdef0123456789abcdeT",
		  statement_key[] = "0123456789abcdef0123456789abcdeS";

/* A message that came, kept until it is asked for. */
struct came {
	STAILQ_ENTRY(came) next;
	enum proto_type type;
	uint64_t id;
	struct buf payload;
};

struct end {
	struct channel *channel;
	STAILQ_HEAD(, came) queue;
	struct came *last; /* the one that was asked for last: views point into it */
	bool closed;
};

static struct {
	struct fixture f;
	pid_t pid;
	int log;
	struct end parent, smtpd[2], queue, userdb;
	struct seal *tickets, *statements;
	uint64_t generation;
} the;

/* --- the test's ends of channels --- */

static bool
on_message(void *arg, enum proto_type type, uint64_t id, const union proto_message *msg, int fd)
{
	struct came *came = calloc(1, sizeof(*came));
	struct end *end = arg;

	assert_non_null(came);
	assert_int_equal(fd, -1);
	came->type = type;
	came->id = id;
	buf_init(&came->payload, PROTO_PAYLOAD_MAX);
	assert_true(proto_encode(type, msg, &came->payload));
	STAILQ_INSERT_TAIL(&end->queue, came, next);
	return true;
}

static void
on_closed(void *arg, const char *violation)
{
	struct end *end = arg;

	(void)violation;
	end->closed = true;
}

static void
forget(struct came *came)
{
	if (came != NULL)
		buf_clear(&came->payload);
	free(came);
}

static void
close_end(struct end *end)
{
	struct came *came;

	channel_free(end->channel);
	end->channel = NULL;
	forget(end->last);
	end->last = NULL;
	while ((came = STAILQ_FIRST(&end->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&end->queue, next);
		forget(came);
	}
}

static void
open_end(struct end *end, int fd, enum proto_kind kind)
{
	STAILQ_INIT(&end->queue);
	end->closed = false;
	end->channel = channel_new(fd, kind, PROTO_KIND_ROUTER, on_message, on_closed, end);
}

static double
now_s(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Turns the loop, for all ends, until this one has a message. Returns false when its channel closed, or none came. */
static bool
receive(struct end *end, int timeout_ms, enum proto_type *type, uint64_t *id, union proto_message *msg)
{
	double deadline = now_s() + timeout_ms / 1e3;

	while (STAILQ_EMPTY(&end->queue) && !end->closed && now_s() < deadline) {
		loop_turn();
		(void)sched_yield();
	}
	if (STAILQ_EMPTY(&end->queue))
		return false;
	forget(end->last);
	end->last = STAILQ_FIRST(&end->queue);
	STAILQ_REMOVE_HEAD(&end->queue, next);
	*type = end->last->type;
	*id = end->last->id;
	return proto_decode(*type, buf_str(&end->last->payload), msg);
}

static void
expect(struct end *end, enum proto_type want, uint64_t *id, union proto_message *msg)
{
	enum proto_type type;

	if (!receive(end, WAIT_MS, &type, id, msg))
		fail_msg("no %s came", proto_type_name(want));
	if (type != want)
		fail_msg("%s came in the place of %s", proto_type_name(type), proto_type_name(want));
}

static void
introduce(struct end *end, enum proto_kind kind, uint64_t instance)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	if (end->channel != NULL)
		close_end(end);
	open_end(end, fds[0], kind);
	SEND_FD(the.parent.channel, INTRODUCE, introduce, 0, fds[1], .kind = kind, .instance = instance,
	    .generation = ++the.generation);
	(void)close(fds[1]);
	assert_true(channel_flush(the.parent.channel));
}

/* --- the start of the process --- */

static void
send_config(void)
{
	struct config_text *text;
	struct config *config;
	struct buf bytes;
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/postern.conf", the.f.dir);
	text = config_text_new(path);
	config = config_parse(text, fixture_report, &the.f);
	if (config == NULL)
		fail_msg("%s", the.f.err.text);
	buf_init(&bytes, PROTO_CHUNK_MAX);
	assert_true(config_text_encode(text, CONFIG_VIEW_WHOLE, &bytes));
	SEND(the.parent.channel, CONFIG, config, 0, .bytes = buf_str(&bytes), .last = true);
	buf_clear(&bytes);
	config_free(config);
	config_text_free(text);
}

/* The programs lie in the folder of the build, three above that of this test. */
static bool
find_program(const char *name, char *path, size_t size)
{
	char self[512];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	unsigned i;

	assert_true(len > 0);
	self[len] = '\0';
	for (i = 0; i < 4; i++)
		*strrchr(self, '/') = '\0';
	return (size_t)snprintf(path, size, "%s/%s", self, name) < size && access(path, X_OK) == 0;
}

/* The router itself, or the program at path. */
static _Noreturn void
be_process(char *path, int channel, int log)
{
	char name[] = "router", *argv[] = { name, NULL }, *program[] = { path, NULL }, *environment[] = { NULL };

	assert_true(dup2(log, PROCESS_LOG_FD + 10) != -1);
	assert_int_equal(dup2(channel, PROCESS_PARENT_FD), PROCESS_PARENT_FD);
	assert_int_equal(dup2(PROCESS_LOG_FD + 10, PROCESS_LOG_FD), PROCESS_LOG_FD);
	closefrom(PROCESS_LOG_FD + 1);
	if (path == NULL)
		_exit(process_run(&router_process, 1, argv));
	(void)execve(path, program, environment);
	_exit(1);
}

static void
start_process(enum proto_kind kind, char *path)
{
	enum proto_type type;
	union proto_message msg;
	uint64_t id;
	int fds[2], log[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(pipe2(log, O_CLOEXEC), 0);
	the.pid = fork();
	assert_true(the.pid != -1);
	if (the.pid == 0)
		be_process(path, fds[1], log[1]);
	(void)close(fds[1]);
	(void)close(log[1]);
	the.log = log[0];
	open_end(&the.parent, fds[0], PROTO_KIND_PARENT);
	SEND(the.parent.channel, SETUP, setup, 0, .kind = kind, .level = LOG_INFO, .ticket_key = { ticket_key, 32 },
	    .statement_key = { statement_key, 32 });
	send_config();
	SEND(the.parent.channel, CONFINE, confine, 0, .nothing = false);
	if (!receive(&the.parent, WAIT_MS, &type, &id, &msg) || type != PROTO_READY_TYPE)
		fail_msg("%s did not become ready", proto_kind_name(kind));
}

static void
begin_with(enum proto_kind kind, const char *config, char *path)
{
	memset(&the, 0, sizeof(the));
	fixture_begin(&the.f);
	fixture_file(&the.f, "aliases", "list: joe, x@remote.example, joe\n");
	fixture_file(&the.f, "postern.conf", config);
	the.tickets = seal_new((struct str){ ticket_key, 32 });
	the.statements = seal_new((struct str){ statement_key, 32 });
	start_process(kind, path);
}

static void
introduce_all(void)
{
	introduce(&the.userdb, PROTO_KIND_USERDB, 0);
	introduce(&the.smtpd[0], PROTO_KIND_SMTPD, 0);
	introduce(&the.smtpd[1], PROTO_KIND_SMTPD, 1);
	introduce(&the.queue, PROTO_KIND_QUEUE, 0);
}

static int
begin(void **state)
{
	(void)state;
	begin_with(PROTO_KIND_ROUTER, config_text, NULL);
	introduce_all();
	return 0;
}

/* Where nobody but root could have mail for postmaster. */
static int
begin_without_postmaster(void **state)
{
	(void)state;
	begin_with(PROTO_KIND_ROUTER,
	    "table aliases \"DIR/aliases\"\nlisten on lo port 2525\naction \"local\" maildir alias <aliases>\n"
	    "match from local for local action \"local\"\n",
	    NULL);
	introduce_all();
	return 0;
}

static int
end(void **state)
{
	int status;

	(void)state;
	close_end(&the.parent);
	close_end(&the.smtpd[0]);
	close_end(&the.smtpd[1]);
	close_end(&the.queue);
	close_end(&the.userdb);
	assert_int_equal(waitpid(the.pid, &status, 0), the.pid);
	(void)close(the.log);
	seal_free(the.tickets);
	seal_free(the.statements);
	fixture_end(&the.f);
	return status == 0 ? 0 : -1;
}

/* --- what peers say --- */

/* A connection from loopback, as smtpd accepts it. */
static int
accepted_socket(int *client)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int listening = socket(AF_INET, SOCK_STREAM, 0), fd;

	assert_int_equal(bind(listening, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&at, &len), 0);
	*client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(*client, (struct sockaddr *)&at, sizeof(at)), 0);
	fd = accept(listening, NULL, NULL);
	assert_true(fd >= 0);
	(void)close(listening);
	return fd;
}

static void
open_session(struct end *end, uint64_t id)
{
	int client, fd = accepted_socket(&client);

	SEND_FD(end->channel, SESSION_OPEN, session_open, id, fd, .listener = 1);
	assert_true(channel_flush(end->channel));
	(void)close(fd);
	(void)close(client);
}

static void
check(struct end *end, uint64_t id, uint64_t transaction, uint64_t number, const char *recipient)
{
	SEND(end->channel, RCPT_CHECK, rcpt_check, id, .transaction = transaction, .number = number,
	    .helo = STR("client.example"), .reverse_path = STR("from@sender.example"),
	    .forward_path = str_of(recipient));
}

static void
answer_user(const char *name, enum proto_answer status, uint32_t uid)
{
	uint32_t groups[] = { uid, 100 };
	union proto_message msg;
	uint64_t id;

	expect(&the.userdb, PROTO_USER_ASK_TYPE, &id, &msg);
	assert_true(str_equal(msg.user_ask.name, str_of(name)));
	SEND(the.userdb.channel, USER_ANSWER, user_answer, id, .status = status, .name = str_of(name), .uid = uid,
	    .gid = uid, .groups = { (char *)groups, sizeof(groups) }, .home = STR("/home/x"));
	assert_true(channel_flush(the.userdb.channel));
}

static void
expect_verdict(
    struct end *end, uint64_t session, uint64_t number, unsigned code, const char *enhanced, unsigned tickets)
{
	union proto_message msg;
	uint64_t id;

	expect(end, PROTO_RCPT_VERDICT_TYPE, &id, &msg);
	assert_int_equal(id, session);
	assert_int_equal(msg.rcpt_verdict.number, number);
	assert_int_equal(msg.rcpt_verdict.code, code);
	assert_true(str_equal(msg.rcpt_verdict.enhanced, str_of(enhanced)));
	assert_int_equal(msg.rcpt_verdict.tickets, tickets);
}

struct want {
	enum proto_delivery kind;
	const char *recipient, *user, *action, *destination;
	unsigned part;
	uint64_t ttl_s;
};

static void
expect_ticket(struct end *end, uint64_t session, uint64_t number, const char *forward_path, const struct want *want)
{
	union proto_message msg;
	struct msg_ticket t;
	uint64_t id;

	expect(end, PROTO_RCPT_TICKET_TYPE, &id, &msg);
	assert_int_equal(id, session);
	assert_int_equal(msg.rcpt_ticket.number, number);
	assert_false(seal_open(the.statements, PROTO_TICKET_TYPE, msg.rcpt_ticket.ticket, &t));
	assert_true(seal_open(the.tickets, PROTO_TICKET_TYPE, msg.rcpt_ticket.ticket, &t));
	assert_int_equal(t.transaction, 77);
	assert_int_equal(t.number, number);
	assert_int_equal(t.part, want->part);
	assert_int_equal(t.kind, want->kind);
	assert_int_equal(t.ttl_s, want->ttl_s);
	assert_true(str_equal(t.forward_path, str_of(forward_path)));
	assert_true(str_equal(t.reverse_path, S("from@sender.example")));
	assert_true(str_equal(t.recipient, str_of(want->recipient)));
	assert_true(str_equal(t.user, str_of(want->user)));
	assert_true(str_equal(t.action, str_of(want->action)));
	assert_true(str_equal(t.destination, str_of(want->destination)));
	assert_true(t.owner == PROTO_OWNER_NONE);
	if (session == 0)
		assert_true(str_equal(t.origin, S("dsn")));
	else
		assert_true(str_starts_nocase(t.origin, S("127.0.0.1:")));
}

/* --- tests --- */

static void
test_a_recipient_becomes_tickets(void **state)
{
	static const struct want out = { PROTO_DELIVERY_RELAY, "x@remote.example", "", "out", "out/remote.example", 0,
		3600 };
	static const struct want joe = { PROTO_DELIVERY_LOCAL, "joe+tag@example.org", "joe", "local", "local/joe", 0,
		4 * 86400 };
	static const struct want list[] = { { PROTO_DELIVERY_LOCAL, "joe@example.org", "joe", "local", "local/joe", 1,
						4 * 86400 },
		{ PROTO_DELIVERY_RELAY, "x@remote.example", "", "out", "out/remote.example", 0, 3600 } };
	static const struct want smart = { PROTO_DELIVERY_RELAY, "Y@smart.example", "", "smart",
		"smart/smtp://a.example:25,smtp://[2001:db8::1]:587", 0, 4 * 86400 };
	static const struct want ann = { PROTO_DELIVERY_LOCAL, "ann@people.example", "ann", "people", "people/ann", 0,
		4 * 86400 };
	struct end *s = &the.smtpd[0];

	(void)state;
	open_session(s, 5);
	check(s, 5, 77, 1, "x@remote.example");
	expect_ticket(s, 5, 1, "x@remote.example", &out);
	expect_verdict(s, 5, 1, 250, "2.1.5", 1);
	check(s, 5, 77, 2, "Joe+Tag@example.org");
	assert_true(channel_flush(s->channel));
	answer_user("joe", PROTO_ANSWER_FOUND, 1000);
	expect_ticket(s, 5, 2, "Joe+Tag@example.org", &joe);
	expect_verdict(s, 5, 2, 250, "2.1.5", 1);
	check(s, 5, 77, 3, "list@example.org");
	expect_ticket(s, 5, 3, "list@example.org", &list[1]);
	expect_ticket(s, 5, 3, "list@example.org", &list[0]);
	expect_verdict(s, 5, 3, 250, "2.1.5", 2);
	check(s, 5, 77, 4, "Y@smart.example");
	expect_ticket(s, 5, 4, "Y@smart.example", &smart);
	expect_verdict(s, 5, 4, 250, "2.1.5", 1);
	check(s, 5, 77, 5, "ann@people.example");
	expect_ticket(s, 5, 5, "ann@people.example", &ann);
	expect_verdict(s, 5, 5, 250, "2.1.5", 1);
	check(s, 5, 77, 6, "rooty@people.example");
	expect_verdict(s, 5, 6, 550, "5.2.1", 0);
	check(s, 5, 77, 7, "bob@people.example");
	expect_verdict(s, 5, 7, 550, "5.1.1", 0);
}

static void
test_the_queue_asks_for_its_own_messages(void **state)
{
	static const struct want out = { PROTO_DELIVERY_RELAY, "x@remote.example", "", "out", "out/remote.example", 0,
		3600 };

	(void)state;
	check(&the.queue, 0, 77, 9, "x@remote.example");
	expect_ticket(&the.queue, 0, 9, "x@remote.example", &out);
	expect_verdict(&the.queue, 0, 9, 250, "2.1.5", 1);
}

static void
expect_statement(uint64_t want_id, const char *user, uint32_t uid, const char *home, size_t groups)
{
	union proto_message msg;
	struct msg_statement s;
	uint64_t id;

	expect(&the.queue, PROTO_STATEMENT_ANSWER_TYPE, &id, &msg);
	assert_int_equal(id, want_id);
	assert_int_equal(msg.statement_answer.status, PROTO_ANSWER_FOUND);
	assert_false(seal_open(the.tickets, PROTO_STATEMENT_TYPE, msg.statement_answer.statement, &s));
	assert_true(seal_open(the.statements, PROTO_STATEMENT_TYPE, msg.statement_answer.statement, &s));
	assert_true(str_equal(s.user, str_of(user)));
	assert_int_equal(s.uid, uid);
	assert_true(str_equal(s.home, str_of(home)));
	assert_int_equal(s.groups.len, groups * 4);
}

static void
expect_no_statement(uint64_t want_id, enum proto_answer status, const char *text)
{
	union proto_message msg;
	uint64_t id;

	expect(&the.queue, PROTO_STATEMENT_ANSWER_TYPE, &id, &msg);
	assert_int_equal(id, want_id);
	assert_int_equal(msg.statement_answer.status, status);
	assert_int_equal(msg.statement_answer.statement.len, 0);
	assert_true(str_equal(msg.statement_answer.text, str_of(text)));
}

static void
ask_statement(uint64_t id, const char *action, const char *user)
{
	SEND(the.queue.channel, STATEMENT_ASK, statement_ask, id, .action = str_of(action), .user = str_of(user));
	assert_true(channel_flush(the.queue.channel));
}

static void
test_statements_say_who_delivers(void **state)
{
	(void)state;
	ask_statement(1, "local", "joe");
	answer_user("joe", PROTO_ANSWER_FOUND, 1000);
	expect_statement(1, "joe", 1000, "/home/x", 2);
	ask_statement(2, "local", "joe"); /* never from memory */
	answer_user("joe", PROTO_ANSWER_NONE, 0);
	expect_no_statement(2, PROTO_ANSWER_NONE, "no such user");
	ask_statement(3, "local", "joe");
	answer_user("joe", PROTO_ANSWER_TEMPORARY, 0);
	expect_no_statement(3, PROTO_ANSWER_TEMPORARY, "users cannot be looked up now");
	ask_statement(4, "local", "toor");
	answer_user("toor", PROTO_ANSWER_FOUND, 0);
	expect_no_statement(4, PROTO_ANSWER_NONE, "deliveries as root are refused: give root an alias");
	ask_statement(5, "people", "ann");
	expect_statement(5, "ann", 2001, "/home/ann", 0);
	ask_statement(6, "people", "rooty");
	expect_no_statement(6, PROTO_ANSWER_NONE, "deliveries as root are refused: give root an alias");
	ask_statement(7, "vmail", "ann");
	answer_user("vmail", PROTO_ANSWER_FOUND, 500);
	expect_statement(7, "ann", 500, "/home/ann", 2);
	ask_statement(8, "vmail", "ann");
	answer_user("vmail", PROTO_ANSWER_FOUND, 0);
	expect_no_statement(8, PROTO_ANSWER_NONE, "deliveries as root are refused: give root an alias");
	ask_statement(9, "vmail", "ann");
	answer_user("vmail", PROTO_ANSWER_NONE, 0);
	expect_no_statement(9, PROTO_ANSWER_TEMPORARY, "the user of the action does not exist");
	ask_statement(10, "no such", "joe");
	expect_no_statement(10, PROTO_ANSWER_TEMPORARY, "no such action delivers here any more");
	ask_statement(11, "out", "joe");
	expect_no_statement(11, PROTO_ANSWER_TEMPORARY, "no such action delivers here any more");
}

static void
test_a_closed_session_hears_nothing(void **state)
{
	struct end *s = &the.smtpd[0];
	union proto_message msg;
	uint64_t id;

	(void)state;
	open_session(s, 5);
	open_session(s, 6);
	check(s, 5, 77, 1, "joe@example.org");
	check(s, 6, 77, 2, "joe@example.org");
	SEND(s->channel, SESSION_CLOSE, session_close, 5, .nothing = false);
	check(s, 6, 77, 3, "x@nowhere.example");
	expect(s, PROTO_RCPT_TICKET_TYPE, &id, &msg);
	expect_verdict(s, 6, 3, 250, "2.1.5", 1);
	answer_user("joe", PROTO_ANSWER_NONE, 0);
	expect_verdict(s, 6, 2, 550, "5.1.1", 0);
}

/* --- who breaks the rules --- */

static void
unknown_session(struct end *e)
{
	check(e, 99, 77, 1, "joe@example.org");
}

static void
session_of_another(struct end *e)
{
	check(e, 5, 77, 1, "joe@example.org");
}

static void
session_closed(struct end *e)
{
	open_session(e, 7);
	SEND(e->channel, SESSION_CLOSE, session_close, 7, .nothing = false);
	check(e, 7, 77, 1, "joe@example.org");
}

static void
session_twice(struct end *e)
{
	open_session(e, 7);
	open_session(e, 7);
}

static void
close_of_unknown(struct end *e)
{
	SEND(e->channel, SESSION_CLOSE, session_close, 99, .nothing = false);
}

static void
a_file_for_a_connection(struct end *e)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	SEND_FD(e->channel, SESSION_OPEN, session_open, 7, fd, .listener = 1);
	(void)close(fd);
}

static void
a_channel_for_a_connection(struct end *e)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	SEND_FD(e->channel, SESSION_OPEN, session_open, 7, fds[0], .listener = 0);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void
an_unknown_listener(struct end *e)
{
	int client, fd = accepted_socket(&client);

	SEND_FD(e->channel, SESSION_OPEN, session_open, 7, fd, .listener = 40);
	(void)close(fd);
	(void)close(client);
}

static void
no_address(struct end *e)
{
	open_session(e, 7);
	check(e, 7, 77, 1, "a b@example.org");
}

static void
an_answer_without_question(struct end *e)
{
	SEND(e->channel, USER_ANSWER, user_answer, 4711, .status = PROTO_ANSWER_NONE, .name = STR("joe"));
}

static void
a_session_of_the_queue(struct end *e)
{
	check(e, 5, 77, 1, "joe@example.org");
}

static void
test_whoever_breaks_the_rules_is_cut_off(void **state)
{
	static const struct {
		const char *name;
		enum proto_kind kind;
		void (*speak)(struct end *end);
	} rows[] = {
		{ "a session that is not open", PROTO_KIND_SMTPD, unknown_session },
		{ "a session of another worker", PROTO_KIND_SMTPD, session_of_another },
		{ "a session after its end", PROTO_KIND_SMTPD, session_closed },
		{ "a session opened twice", PROTO_KIND_SMTPD, session_twice },
		{ "the end of a session that is not open", PROTO_KIND_SMTPD, close_of_unknown },
		{ "a file in the place of a connection", PROTO_KIND_SMTPD, a_file_for_a_connection },
		{ "a channel in the place of a local user's connection", PROTO_KIND_SMTPD, a_channel_for_a_connection },
		{ "a listener that is not configured", PROTO_KIND_SMTPD, an_unknown_listener },
		{ "a recipient that is no address", PROTO_KIND_SMTPD, no_address },
		{ "an answer to no question", PROTO_KIND_USERDB, an_answer_without_question },
		{ "a session of the queue", PROTO_KIND_QUEUE, a_session_of_the_queue },
	};
	struct end bad = { 0 };
	enum proto_type type;
	union proto_message msg;
	uint64_t id;
	size_t i;

	(void)state;
	open_session(&the.smtpd[0], 5);
	for (i = 0; i < COUNT(rows); i++) {
		introduce(&bad, rows[i].kind, 3);
		rows[i].speak(&bad);
		if (receive(&bad, WAIT_MS, &type, &id, &msg))
			row_fail(rows[i].name, "answered with %s", proto_type_name(type));
		if (!receive(&the.parent, WAIT_MS, &type, &id, &msg) || type != PROTO_PEER_BROKE_TYPE)
			row_fail(rows[i].name, "%s", "the parent was not told");
		if (msg.peer_broke.kind != rows[i].kind || msg.peer_broke.instance != 3)
			row_fail(rows[i].name, "%s", "the parent was told of another");
	}
	close_end(&bad);
	check(&the.smtpd[0], 5, 77, 1, "x@other.example");
	expect(&the.smtpd[0], PROTO_RCPT_TICKET_TYPE, &id, &msg);
	expect_verdict(&the.smtpd[0], 5, 1, 250, "2.1.5", 1);
}

/* --- many --- */

enum { MANY = 20000 };

static void
test_a_flood_of_one_leaves_the_other_its_turn(void **state)
{
	struct end *loud = &the.smtpd[0], *quiet = &the.smtpd[1];
	union proto_message msg;
	double before, mid, after;
	unsigned i;
	uint64_t id;

	(void)state;
	open_session(loud, 5);
	open_session(quiet, 6);
	for (i = 0; i < MANY; i++)
		check(loud, 5, 77, i, "x@remote.example");
	before = now_s();
	(void)channel_flush(loud->channel);
	check(quiet, 6, 77, 1, "x@remote.example");
	expect(quiet, PROTO_RCPT_TICKET_TYPE, &id, &msg);
	expect_verdict(quiet, 6, 1, 250, "2.1.5", 1);
	mid = now_s();
	for (i = 0; i < MANY; i++) {
		expect(loud, PROTO_RCPT_TICKET_TYPE, &id, &msg);
		expect_verdict(loud, 5, i, 250, "2.1.5", 1);
	}
	after = now_s();
	print_message("%d recipients: %.1f us each, both sides; the other waited %.1f ms\n", MANY,
	    (after - before) * 1e6 / MANY, (mid - before) * 1e3);
	assert_true(mid - before < 2.0);
}

/* More wait for userdb than may: the router reads no more of that peer, and serves the others. */
static void
test_who_has_many_waiting_is_not_read_from(void **state)
{
	struct end *loud = &the.smtpd[0], *quiet = &the.smtpd[1];
	union proto_message msg;
	char name[64];
	unsigned i, asked = 0;
	uint64_t id;
	enum proto_type type;

	(void)state;
	open_session(loud, 5);
	open_session(quiet, 6);
	for (i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "user%u@example.org", i);
		check(loud, 5, 77, i, name);
	}
	(void)channel_flush(loud->channel);
	check(quiet, 6, 77, 1, "x@remote.example");
	expect(quiet, PROTO_RCPT_TICKET_TYPE, &id, &msg);
	expect_verdict(quiet, 6, 1, 250, "2.1.5", 1);
	while (receive(&the.userdb, QUIET_MS, &type, &id, &msg))
		asked++;
	print_message("%u wait at once\n", asked);
	assert_in_range(asked, CHECKS_MAX, CHECKS_HARD_MAX);
	for (i = 1; i <= asked; i++) {
		(void)snprintf(name, sizeof(name), "user%u", i - 1);
		SEND(
		    the.userdb.channel, USER_ANSWER, user_answer, i, .status = PROTO_ANSWER_NONE, .name = str_of(name));
	}
	for (i = 0; i < asked; i++)
		expect_verdict(loud, 5, i, 550, "5.1.1", 0);
	expect(&the.userdb, PROTO_USER_ASK_TYPE, &id, &msg);
}

static void
test_userdb_gone_and_back(void **state)
{
	struct end *s = &the.smtpd[0];
	union proto_message msg;
	uint64_t id;

	(void)state;
	open_session(s, 5);
	check(s, 5, 77, 1, "joe@example.org");
	assert_true(channel_flush(s->channel));
	expect(&the.userdb, PROTO_USER_ASK_TYPE, &id, &msg);
	introduce(&the.userdb, PROTO_KIND_USERDB, 0);
	answer_user("joe", PROTO_ANSWER_FOUND, 1000);
	expect(s, PROTO_RCPT_TICKET_TYPE, &id, &msg);
	expect_verdict(s, 5, 1, 250, "2.1.5", 1);
}

static void
read_log(char *text, size_t size)
{
	size_t len = 0;
	ssize_t n = 1;

	close_end(&the.parent);
	while (n > 0 && len < size - 1) {
		n = read(the.log, text + len, size - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	text[len] = '\0';
}

static void
start(void)
{
	SEND(the.parent.channel, START, start, 0, .nothing = false);
	assert_true(channel_flush(the.parent.channel));
}

static void
test_postmaster_without_a_place_is_told_at_start(void **state)
{
	char text[4096];

	(void)state;
	start();
	answer_user("postmaster", PROTO_ANSWER_NONE, 0);
	answer_user("root", PROTO_ANSWER_FOUND, 0);
	open_session(&the.smtpd[0], 5);
	check(&the.smtpd[0], 5, 77, 1, "postmaster");
	check(&the.smtpd[0], 5, 77, 2, "POSTMASTER");
	expect_verdict(&the.smtpd[0], 5, 1, 451, "4.3.5", 0);
	expect_verdict(&the.smtpd[0], 5, 2, 451, "4.3.5", 0);
	read_log(text, sizeof(text));
	assert_non_null(strstr(text, "event=no-postmaster"));
	assert_null(strstr(strstr(text, "event=no-postmaster") + 1, "event=no-postmaster"));
}

static void
test_postmaster_with_a_place_is_not_spoken_of(void **state)
{
	union proto_message msg;
	uint64_t id;
	char text[4096];

	(void)state;
	start();
	check(&the.queue, 0, 77, 9, "x@remote.example");
	expect(&the.queue, PROTO_RCPT_TICKET_TYPE, &id, &msg);
	read_log(text, sizeof(text));
	assert_null(strstr(text, "no-postmaster"));
}

/* --- userdb, the program --- */

static void
ask_userdb(struct end *router, uint64_t want_id, const char *name, enum proto_answer status)
{
	union proto_message msg;
	uint64_t id;

	SEND(router->channel, USER_ASK, user_ask, want_id, .name = str_of(name));
	expect(router, PROTO_USER_ANSWER_TYPE, &id, &msg);
	assert_int_equal(id, want_id);
	assert_true(str_equal(msg.user_answer.name, str_of(name)));
	if (msg.user_answer.status != status)
		fail_msg("%s: got %u", name, msg.user_answer.status);
	if (status != PROTO_ANSWER_FOUND)
		return;
	assert_int_equal(msg.user_answer.uid, 0);
	assert_true(str_equal(msg.user_answer.home, S("/root")));
	assert_true(msg.user_answer.groups.len >= 4);
}

static void
test_userdb_answers_when_confined(void **state)
{
	char path[600], log[4096];
	struct end router = { 0 };
	int fds[2], status;

	(void)state;
	if (!find_program("userdb", path, sizeof(path)))
		skip();
	begin_with(PROTO_KIND_USERDB, config_text, path);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	STAILQ_INIT(&router.queue);
	router.channel = channel_new(fds[0], PROTO_KIND_ROUTER, PROTO_KIND_USERDB, on_message, on_closed, &router);
	SEND_FD(the.parent.channel, INTRODUCE, introduce, 0, fds[1], .kind = PROTO_KIND_ROUTER);
	(void)close(fds[1]);
	ask_userdb(&router, 1, "root", PROTO_ANSWER_FOUND);
	ask_userdb(&router, 2, "no-such-user-here", PROTO_ANSWER_NONE);
	ask_userdb(&router, 3, "root", PROTO_ANSWER_FOUND);
	close_end(&router);
	read_log(log, sizeof(log));
	assert_int_equal(waitpid(the.pid, &status, 0), the.pid);
	if (status != 0)
		fail_msg("status %d; %s", status, log);
	(void)close(the.log);
	seal_free(the.tickets);
	seal_free(the.statements);
	fixture_end(&the.f);
}

static int
begin_all(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	return 0;
}

#define ROUTER_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ROUTER_TEST(test_a_recipient_becomes_tickets),
		ROUTER_TEST(test_the_queue_asks_for_its_own_messages),
		ROUTER_TEST(test_statements_say_who_delivers),
		ROUTER_TEST(test_a_closed_session_hears_nothing),
		ROUTER_TEST(test_whoever_breaks_the_rules_is_cut_off),
		ROUTER_TEST(test_a_flood_of_one_leaves_the_other_its_turn),
		ROUTER_TEST(test_who_has_many_waiting_is_not_read_from),
		ROUTER_TEST(test_userdb_gone_and_back),
		cmocka_unit_test_setup_teardown(
		    test_postmaster_without_a_place_is_told_at_start, begin_without_postmaster, end),
		ROUTER_TEST(test_postmaster_with_a_place_is_not_spoken_of),
		cmocka_unit_test(test_userdb_answers_when_confined),
	};

	return cmocka_run_group_tests(tests, begin_all, NULL);
}
