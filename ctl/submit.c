/* SPDX-License-Identifier: ISC */
#include "ctl/submit.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/dialogue.h"
#include "ctl/format.h"
#include "ctl/limits.h"
#include "ctl/text.h"

enum { PIECE = 16384, PARAMETERS_MAX = 512 };

/* How one attempt ended. */
enum attempt { ATTEMPT_SENT, ATTEMPT_AGAIN, ATTEMPT_NOT_NOW, ATTEMPT_REFUSED, ATTEMPT_BROKEN_INPUT };

/* --- time --- */

static int64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
sleep_ms(int64_t ms)
{
	struct timespec span = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&span, NULL);
}

/* Waits before attempt number n. Returns false when the time is over. */
static bool
wait_again(int64_t deadline_ms, unsigned n)
{
	int64_t left = deadline_ms - now_ms(), pause = SENDMAIL_RETRY_MIN_MS;

	while (n-- > 0 && pause < SENDMAIL_RETRY_MAX_MS)
		pause *= 2;
	if (left <= 0)
		return false;
	pause = pause < SENDMAIL_RETRY_MAX_MS ? pause : SENDMAIL_RETRY_MAX_MS;
	sleep_ms(pause < left ? pause : left);
	return true;
}

/* --- one attempt --- */

/* What a refusal means: 421 is the daemon's good-bye, so another connection may fare better. */
static enum attempt
judge(const struct reply *reply, struct error *err)
{
	(void)error_set(err, reply->code < 500 ? ERROR_TEMPORARY : ERROR_PERMANENT, "%u %s", reply->code, reply->text);
	if (reply->code == 421)
		return ATTEMPT_AGAIN;
	return reply->code < 500 ? ATTEMPT_NOT_NOW : ATTEMPT_REFUSED;
}

static bool
has_8bit(struct str s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if ((s.ptr[i] & 0x80) != 0)
			return true;
	return false;
}

/* Of a body that is too large to be looked at whole it is assumed that it may hold anything. */
static bool
is_8bit(const struct submission *s)
{
	return !s->body->ended || has_8bit(buf_str(&s->header->text)) || has_8bit(source_ahead(s->body));
}

static enum attempt
greet(const struct submission *s, struct dialogue *d, struct error *err)
{
	struct reply reply;

	if (!dialogue_read(d, &reply, err))
		return ATTEMPT_AGAIN;
	if (reply.code != 220) {
		(void)judge(&reply, err);
		return ATTEMPT_AGAIN;
	}
	if (!dialogue_command(d, &reply, err, "EHLO %s", s->helo))
		return ATTEMPT_AGAIN;
	return reply.code == 250 ? ATTEMPT_SENT : judge(&reply, err);
}

static enum attempt
send_sender(const struct submission *s, struct dialogue *d, struct error *err)
{
	char size[64] = "", dsn[PARAMETERS_MAX] = "";
	struct reply reply;

	if (d->offers_size && s->body->ended)
		(void)snprintf(size, sizeof(size), " SIZE=%zu", s->header->text.len + source_ahead(s->body).len);
	if (d->offers_dsn)
		(void)snprintf(dsn, sizeof(dsn), "%s%s%s%s",
		    s->dsn_return == NULL ? "" : " RET=", s->dsn_return == NULL ? "" : s->dsn_return,
		    s->dsn_id == NULL ? "" : " ENVID=", s->dsn_id == NULL ? "" : s->dsn_id);
	if (!dialogue_command(d, &reply, err, "MAIL FROM:<%s>%s%s%s", s->sender, size,
		d->offers_8bit && is_8bit(s) ? " BODY=8BITMIME" : "", dsn))
		return ATTEMPT_AGAIN;
	return reply.code == 250 ? ATTEMPT_SENT : judge(&reply, err);
}

static void
tell_refused(struct submit_report *report, const char *address, const struct reply *reply)
{
	report->refused++;
	report->refused_for_now += reply->code < 500;
	report->unknown += reply->code >= 500 && strncmp(reply->text, "5.1.1", 5) == 0;
	if (report->refused > SENDMAIL_REFUSED_SHOWN)
		return;
	(void)fputs("sendmail: ", stderr);
	(void)format_put(stderr, str_of(address));
	(void)fprintf(stderr, ": %u ", reply->code);
	(void)format_put(stderr, str_of(reply->text));
	(void)fputs("\n", stderr);
	if (report->refused == SENDMAIL_REFUSED_SHOWN)
		(void)fputs("sendmail: further refused recipients are not told\n", stderr);
}

static enum attempt
send_recipients(const struct submission *s, struct dialogue *d, struct submit_report *report, struct error *err)
{
	bool notify = d->offers_dsn && s->dsn_notify != NULL;
	struct reply reply;
	size_t i;

	memset(report, 0, sizeof(*report));
	for (i = 0; i < s->to->count; i++) {
		if (!dialogue_command(d, &reply, err, "RCPT TO:<%s>%s%s", s->to->list[i], notify ? " NOTIFY=" : "",
			notify ? s->dsn_notify : ""))
			return ATTEMPT_AGAIN;
		if (reply.code == 421)
			return judge(&reply, err);
		if (reply.code != 250 && reply.code != 251)
			tell_refused(report, s->to->list[i], &reply);
	}
	if (report->refused < s->to->count)
		return ATTEMPT_SENT;
	(void)error_set(err, ERROR_PERMANENT, "no recipient was accepted");
	return report->refused_for_now > 0 ? ATTEMPT_NOT_NOW : ATTEMPT_REFUSED;
}

/* The daemon may say why it does not want the rest. */
static enum attempt
broken_off(struct dialogue *d, struct error *err)
{
	struct reply reply;

	if (!dialogue_read(d, &reply, NULL))
		return ATTEMPT_AGAIN;
	return judge(&reply, err);
}

static enum attempt
send_text(const struct submission *s, struct dialogue *d, struct error *err)
{
	struct str header = buf_str(&s->header->text);
	enum attempt result = ATTEMPT_SENT;
	char piece[PIECE];
	struct text text;
	struct buf out;
	size_t got = 1;

	buf_init(&out, 4 * (SENDMAIL_HEADER_MAX + PIECE));
	text_init(&text, false);
	text_take(&text, header, &out);
	text_take(&text, S("\n"), &out);
	text.dot_ends = s->dot_ends;
	while (result == ATTEMPT_SENT && got > 0 && !text.ended) {
		if (!source_read(s->body, piece, sizeof(piece), &got, err)) {
			result = ATTEMPT_BROKEN_INPUT; /* without the final dot the daemon keeps nothing */
			break;
		}
		text_take(&text, (struct str){ piece, got }, &out);
		if (got == 0 || text.ended) {
			text_finish(&text, &out);
			(void)buf_append_text(&out, ".\r\n");
		}
		if (!dialogue_send(d, buf_str(&out), err))
			result = broken_off(d, err);
		buf_reset(&out);
	}
	buf_clear(&out);
	return result;
}

static enum attempt
send_message(const struct submission *s, struct dialogue *d, struct error *err)
{
	enum attempt result;
	struct reply reply;

	if (!dialogue_command(d, &reply, err, "DATA"))
		return ATTEMPT_AGAIN;
	if (reply.code != 354)
		return judge(&reply, err);
	result = send_text(s, d, err);
	if (result != ATTEMPT_SENT)
		return result;
	if (!dialogue_read(d, &reply, err))
		return ATTEMPT_AGAIN;
	return reply.code == 250 ? ATTEMPT_SENT : judge(&reply, err);
}

static enum attempt
attempt(const struct submission *s, struct submit_report *report, struct error *err)
{
	struct dialogue d;
	struct reply reply;
	enum attempt result;

	if (!dialogue_open(&d, s->socket, s->verbose, err))
		return ATTEMPT_AGAIN;
	result = greet(s, &d, err);
	if (result == ATTEMPT_SENT)
		result = send_sender(s, &d, err);
	if (result == ATTEMPT_SENT)
		result = send_recipients(s, &d, report, err);
	if (result == ATTEMPT_SENT)
		result = send_message(s, &d, err);
	if (result != ATTEMPT_BROKEN_INPUT && result != ATTEMPT_AGAIN)
		(void)dialogue_command(&d, &reply, NULL, "QUIT");
	dialogue_close(&d);
	return result;
}

enum submitted
submit(const struct submission *s, struct submit_report *report, struct error *err)
{
	int64_t deadline = now_ms() + s->wait_ms;
	size_t mark = s->body->at;
	unsigned n;

	for (n = 0;; n++) {
		switch (attempt(s, report, err)) {
		case ATTEMPT_SENT: return SUBMITTED;
		case ATTEMPT_NOT_NOW: return SUBMITTED_NOT_NOW;
		case ATTEMPT_REFUSED: return SUBMITTED_REFUSED;
		case ATTEMPT_BROKEN_INPUT: return SUBMITTED_BROKEN_INPUT;
		case ATTEMPT_AGAIN: break;
		}
		if (!source_rewind(s->body, mark) || !wait_again(deadline, n))
			return SUBMITTED_NOT_NOW;
	}
}

/* --- passing through --- */

/* Moves what is there from one descriptor to another. Returns false at the end. */
static bool
pass(int from, int to)
{
	char piece[PIECE];
	ssize_t n = read(from, piece, sizeof(piece)), done, m;

	if (n == -1 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n <= 0)
		return false;
	for (done = 0; done < n; done += m) {
		m = write(to, piece + done, (size_t)(n - done));
		if (m == -1 && errno == EINTR)
			m = 0;
		else if (m == -1)
			return false;
	}
	return true;
}

bool
submit_pass_through(const char *socket, int64_t wait_ms, int in, int out, struct error *err)
{
	int64_t deadline = now_ms() + wait_ms;
	struct pollfd ready[2];
	struct dialogue d;
	unsigned n = 0;

	while (!dialogue_open(&d, socket, false, err))
		if (!wait_again(deadline, n++))
			return false;
	ready[0] = (struct pollfd){ .fd = d.fd, .events = POLLIN };
	ready[1] = (struct pollfd){ .fd = in, .events = POLLIN };
	for (;;) {
		int count = poll(ready, 2, ready[1].fd == -1 ? SENDMAIL_LINGER_MS : -1);
		if (count == 0 || (count == -1 && errno != EINTR))
			break;
		if (count > 0 && ready[0].revents != 0 && !pass(d.fd, out))
			break;
		if (count > 0 && ready[1].revents != 0 && !pass(in, d.fd))
			ready[1].fd = -1; /* not said to the daemon: it would break off what it is about to answer */
	}
	dialogue_close(&d);
	return true;
}
