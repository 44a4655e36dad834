/* SPDX-License-Identifier: ISC */
/*
 * Promised: where a client is comes from its connection, not from the worker's word; a descriptor that is no connection
 * of that listener is refused. SECURITY rows I04, I06.
 */
#include "router/session.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct config_listener inet = { .on = "lo" }, local = { .socket = true, .on = "" };
static struct names *names;

union room {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

/* A pair of connected sockets; fds[0] is the end that was accepted. Returns false where the family is not there. */
static bool
connect_pair(const union room *at, socklen_t len, int fds[2])
{
	union room bound = *at;
	socklen_t bound_len = sizeof(bound);
	int listening = socket(at->sa.sa_family, SOCK_STREAM, 0);

	if (listening == -1 || bind(listening, &at->sa, len) == -1) {
		(void)close(listening);
		return false;
	}
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(getsockname(listening, &bound.sa, &bound_len), 0);
	fds[1] = socket(at->sa.sa_family, SOCK_STREAM, 0);
	assert_int_equal(connect(fds[1], &bound.sa, bound_len), 0);
	fds[0] = accept(listening, NULL, NULL);
	assert_true(fds[0] >= 0);
	(void)close(listening);
	return true;
}

static void
close_pair(int fds[2])
{
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static bool
connect_inet4(int fds[2])
{
	union room at = { .in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };

	return connect_pair(&at, sizeof(at.in), fds);
}

static void
test_a_client_of_the_network(void **state)
{
	struct session s = { 0 };
	union room peer;
	socklen_t len = sizeof(peer);
	char want[64];
	int fds[2];

	(void)state;
	assert_true(connect_inet4(fds));
	assert_true(session_look(&s, &inet, names, fds[0]));
	assert_int_equal(getsockname(fds[1], &peer.sa, &len), 0);
	(void)snprintf(want, sizeof(want), "127.0.0.1:%u", ntohs(peer.in.sin_port));
	assert_string_equal(s.origin, want);
	assert_string_equal(s.client_text, "127.0.0.1");
	assert_true(s.known && s.local);
	assert_true(s.owner == PROTO_OWNER_NONE);
	close_pair(fds);
}

static void
test_a_client_by_ipv6(void **state)
{
	union room at = { .in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT } };
	struct session s = { 0 };
	int fds[2];

	(void)state;
	if (!connect_pair(&at, sizeof(at.in6), fds))
		skip();
	assert_true(session_look(&s, &inet, names, fds[0]));
	assert_int_equal(strncmp(s.origin, "[::1]:", 6), 0);
	assert_true(s.local);
	close_pair(fds);
}

static void
test_a_client_that_has_gone(void **state)
{
	struct session s = { 0 };
	struct linger now = { .l_onoff = 1 };
	int fds[2];

	(void)state;
	assert_true(connect_inet4(fds));
	assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	(void)close(fds[1]);
	assert_true(session_look(&s, &inet, names, fds[0]));
	assert_false(s.known);
	(void)close(fds[0]);
}

static void
test_a_local_user(void **state)
{
	char dir[] = "/tmp/test_session.XXXXXX", want[32];
	union room at = { .un = { .sun_family = AF_UNIX } };
	struct session s = { 0 };
	int fds[2];

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(at.un.sun_path, sizeof(at.un.sun_path), "%s/submit.sock", dir);
	assert_true(connect_pair(&at, sizeof(at.un), fds));
	assert_true(session_look(&s, &local, names, fds[0]));
	(void)snprintf(want, sizeof(want), "local:%u", getuid());
	assert_string_equal(s.origin, want);
	assert_int_equal(s.owner, getuid());
	assert_true(s.known && s.local);
	assert_false(session_look(&s, &inet, names, fds[0]));
	close_pair(fds);
	(void)unlink(at.un.sun_path);
	(void)rmdir(dir);
}

static void
test_what_is_no_connection_is_refused(void **state)
{
	struct session s = { 0 };
	int fds[2], fd;

	(void)state;
	/* A channel of the worker's own: at the other end of it is root. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_false(session_look(&s, &local, names, fds[0]));
	assert_false(session_look(&s, &inet, names, fds[0]));
	close_pair(fds);
	assert_int_equal(pipe(fds), 0);
	assert_false(session_look(&s, &inet, names, fds[0]));
	close_pair(fds);
	fd = open("/dev/null", O_RDONLY);
	assert_false(session_look(&s, &inet, names, fd));
	(void)close(fd);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_false(session_look(&s, &inet, names, fd));
	(void)close(fd);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_false(session_look(&s, &inet, names, fd));
	(void)close(fd);
	assert_true(connect_inet4(fds));
	assert_false(session_look(&s, &local, names, fds[0]));
	close_pair(fds);
}

static void
test_an_id_is_there_once(void **state)
{
	struct session_tree tree = RB_INITIALIZER(&tree);
	struct session a = { .id = 7 }, b = { .id = 7 }, c = { .id = 8 };

	(void)state;
	assert_true(session_add(&tree, &a));
	assert_false(session_add(&tree, &b));
	assert_true(session_add(&tree, &c));
	assert_ptr_equal(session_find(&tree, 7), &a);
	session_remove(&tree, &a);
	assert_null(session_find(&tree, 7));
	assert_ptr_equal(session_first(&tree), &c);
}

static int
begin(void **state)
{
	(void)state;
	names = names_new("mx.example.org", NULL, 0);
	return names == NULL;
}

static int
end(void **state)
{
	(void)state;
	names_free(names);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_client_of_the_network),
		cmocka_unit_test(test_a_client_by_ipv6),
		cmocka_unit_test(test_a_client_that_has_gone),
		cmocka_unit_test(test_a_local_user),
		cmocka_unit_test(test_what_is_no_connection_is_refused),
		cmocka_unit_test(test_an_id_is_there_once),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
