/* SPDX-License-Identifier: ISC */
/*
 * Sends many small messages fast: SESSIONS connections to 127.0.0.1, each one message after the other, until COUNT were
 * accepted. Any answer that is not the usual one ends it.
 *
 *	smtp_load PORT COUNT SESSIONS SIZE SENDER RECIPIENT
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SESSIONS_MAX = 1000, ROOM = 8192, SIZE_MAX_BYTES = 1 << 20 };

static struct {
	in_port_t port;
	long count;
	char envelope[ROOM];
	char *message;
	size_t message_len;
	atomic_long left; /* messages that nobody has begun */
	atomic_long accepted;
	atomic_bool failed;
} load;

struct reader {
	int fd;
	char data[ROOM];
	size_t len;
};

/* Reads lines until count final ones were seen. Returns false when one does not begin with its digit of want. */
static bool
expect(struct reader *r, const char *want)
{
	while (*want != '\0') {
		char *end = memchr(r->data, '\n', r->len);
		size_t line;
		ssize_t n;
		if (end != NULL) {
			line = (size_t)(end - r->data) + 1;
			if (r->data[0] != *want) {
				(void)fprintf(stderr, "smtp_load: %.*s", (int)line, r->data);
				return false;
			}
			want += line > 3 && r->data[3] != '-';
			r->len -= line;
			memmove(r->data, end + 1, r->len);
			continue;
		}
		n = recv(r->fd, r->data + r->len, sizeof(r->data) - r->len, 0);
		if (n <= 0) {
			(void)fprintf(stderr, "smtp_load: connection lost\n");
			return false;
		}
		r->len += (size_t)n;
	}
	return true;
}

static bool
put(int fd, const char *data, size_t len)
{
	return send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool
run_session(struct reader *r)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = load.port, .sin_addr = { htonl(INADDR_LOOPBACK) }
	};
	int on = 1;

	if (r->fd == -1 || connect(r->fd, (const struct sockaddr *)&to, sizeof(to)) == -1)
		return false;
	(void)setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!expect(r, "2") || !put(r->fd, "EHLO load.example\r\n", 19) || !expect(r, "2"))
		return false;
	while (!load.failed && atomic_fetch_sub(&load.left, 1) > 0) {
		if (!put(r->fd, load.envelope, strlen(load.envelope)) || !expect(r, "223") ||
		    !put(r->fd, load.message, load.message_len) || !expect(r, "2"))
			return false;
		atomic_fetch_add(&load.accepted, 1);
	}
	return put(r->fd, "QUIT\r\n", 6) && expect(r, "2");
}

static void *
run_thread(void *arg)
{
	struct reader *r = calloc(1, sizeof(*r));

	(void)arg;
	if (r == NULL)
		abort();
	r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!run_session(r))
		load.failed = true;
	(void)close(r->fd);
	free(r);
	return NULL;
}

static bool
compose(size_t size, const char *sender, const char *recipient)
{
	static const char head[] = "From: <load@load.example>\r\nSubject: load\r\n\r\n", tail[] = "\r\n.\r\n";
	size_t at;

	if (snprintf(load.envelope, sizeof(load.envelope), "MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n", sender,
		recipient) >= (int)sizeof(load.envelope) ||
	    size > SIZE_MAX_BYTES)
		return false;
	load.message_len = sizeof(head) - 1 + size + sizeof(tail) - 1;
	load.message = malloc(load.message_len);
	if (load.message == NULL)
		return false;
	memcpy(load.message, head, sizeof(head) - 1);
	for (at = 0; at < size; at++)
		load.message[sizeof(head) - 1 + at] = at % 72 == 70 ? '\r' : at % 72 == 71 ? '\n' : 'x';
	if (size % 72 == 71)
		load.message[sizeof(head) - 2 + size] = 'x'; /* no CR without its LF */
	memcpy(load.message + sizeof(head) - 1 + size, tail, sizeof(tail) - 1);
	return true;
}

int
main(int argc, char **argv)
{
	pthread_t threads[SESSIONS_MAX];
	long sessions, i;

	sessions = argc == 7 ? strtol(argv[3], NULL, 10) : 0;
	if (sessions < 1 || sessions > SESSIONS_MAX || !compose(strtoul(argv[4], NULL, 10), argv[5], argv[6])) {
		(void)fprintf(stderr, "usage: smtp_load PORT COUNT SESSIONS SIZE SENDER RECIPIENT\n");
		return 2;
	}
	load.port = htons((in_port_t)strtoul(argv[1], NULL, 10));
	load.count = strtol(argv[2], NULL, 10);
	load.left = load.count;
	for (i = 0; i < sessions; i++)
		if (pthread_create(&threads[i], NULL, run_thread, NULL) != 0)
			return 2;
	for (i = 0; i < sessions; i++)
		(void)pthread_join(threads[i], NULL);
	(void)printf("accepted %ld\n", (long)load.accepted);
	return load.accepted == load.count ? 0 : 1;
}
