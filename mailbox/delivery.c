/* SPDX-License-Identifier: ISC */
#include "mailbox/delivery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/loop.h"
#include "mailbox/loop_scan.h"
#include "mailbox/maildir.h"
#include "mailbox/mbox.h"

enum state {
	STATE_IDLE,    /* no job */
	STATE_RCPTS,   /* its recipients are being told */
	STATE_READING, /* the piece at offset is on its way */
	STATE_LOCKED   /* the mailbox is held by somebody; the timer runs */
};

struct rcpt {
	uint64_t number;
	char *address;
	char *forward_path;
};

struct delivery {
	const struct where *where;
	const struct error *trouble; /* NULL: where is open */
	void (*idle)(void *arg);
	void *arg;
	enum state state;
	struct channel *channel;

	/* the job */
	uint64_t id;
	uint64_t message;
	uint64_t size;
	char *reverse_path;
	struct rcpt *rcpts;
	size_t rcpts_count;
	size_t rcpts_told;

	/* the copy of one recipient */
	size_t current;
	bool open;
	bool held_cr; /* the last byte was CR: LF may follow */
	uint64_t offset;
	int64_t locked_since_ms;
	char path[MAILBOX_PATH_MAX + 1];
	struct loop_scan scan;
	struct loop_timer retry;
	struct buf out; /* text with LF, for one write */
	struct maildir maildir;
	struct mbox mbox;
};

static void retry_lock(void *arg);

/* --- a job --- */

static char *
copy(struct str s)
{
	char *text = strndup(s.ptr == NULL ? "" : s.ptr, s.len);

	if (text == NULL)
		fatal("out of memory");
	return text;
}

struct delivery *
delivery_new(const struct where *where, const struct error *trouble, void (*idle)(void *arg), void *arg)
{
	struct delivery *d = calloc(1, sizeof(*d));

	if (d == NULL)
		fatal("out of memory");
	d->where = where;
	d->trouble = trouble;
	d->idle = idle;
	d->arg = arg;
	d->maildir.fd = d->mbox.fd = -1;
	loop_timer_init(&d->retry, retry_lock, d);
	/* All of it at once: from here on no append can fail, and leave a byte of the message out. */
	buf_init(&d->out, PROTO_CHUNK_MAX + 2 * PROTO_ADDRESS_MAX + 64);
	if (buf_reserve(&d->out, d->out.max) == NULL)
		fatal("out of memory");
	return d;
}

static void
forget_job(struct delivery *d)
{
	size_t i;

	for (i = 0; i < d->rcpts_told; i++) {
		free(d->rcpts[i].address);
		free(d->rcpts[i].forward_path);
	}
	free(d->rcpts);
	free(d->reverse_path);
	d->rcpts = NULL;
	d->reverse_path = NULL;
	d->rcpts_count = d->rcpts_told = d->current = 0;
	d->state = STATE_IDLE;
}

static void
drop_copy(struct delivery *d)
{
	loop_timer_stop(&d->retry);
	if (d->open && d->where->method == CONFIG_METHOD_MBOX)
		mbox_abort(&d->mbox);
	else if (d->open)
		maildir_abort(&d->maildir);
	d->open = false;
}

void
delivery_stop(struct delivery *d)
{
	drop_copy(d);
	forget_job(d);
	d->channel = NULL;
}

void
delivery_free(struct delivery *d)
{
	if (d == NULL)
		return;
	delivery_stop(d);
	buf_clear(&d->out);
	free(d);
}

bool
delivery_busy(const struct delivery *d)
{
	return d->state != STATE_IDLE;
}

/* --- the end of a copy --- */

/* The place that has the trouble, as far as it is known. */
static void
name_place(const struct delivery *d, char *dst, size_t size)
{
	const struct where *w = d->where;

	if (w->root[0] == '\0')
		(void)strlcpy(dst, w->format, size);
	else if (d->trouble != NULL)
		(void)strlcpy(dst, w->root, size);
	else
		(void)snprintf(dst, size, "%s/%s", w->root, d->path);
}

/* What an administrator has to see beside the queue's record: which file, and why. */
static void
log_trouble(const struct delivery *d, const struct outcome *o)
{
	char file[2 * MAILBOX_PATH_MAX + 2];

	if (o->result == PROTO_RESULT_DELIVERED || strcmp(o->enhanced, "5.4.6") == 0)
		return;
	name_place(d, file, sizeof(file));
	log_error("mailbox-failed", log_hex(LOG_FIELD_message, d->message), log_text(LOG_FIELD_user, d->where->user),
	    log_text(LOG_FIELD_to, d->rcpts[d->current].address), log_text(LOG_FIELD_file, file),
	    log_text(LOG_FIELD_error, o->text));
}

static void
pull(struct delivery *d)
{
	d->state = STATE_READING;
	SEND(d->channel, JOB_PULL, job_pull, d->id, .offset = d->offset);
}

static void
end_job(struct delivery *d)
{
	SEND(d->channel, JOB_END, job_end, d->id, .host_down = d->trouble != NULL);
	forget_job(d);
	d->idle(d->arg);
}

static void
send_result(struct delivery *d, const struct outcome *o)
{
	SEND(d->channel, JOB_RESULT, job_result, d->id, .number = d->rcpts[d->current].number, .result = o->result,
	    .cause = o->result == PROTO_RESULT_DELIVERED ? PROTO_CAUSE_NONE : PROTO_CAUSE_HERE, .passed = false,
	    .code = o->code, .enhanced = str_of(o->enhanced), .text = str_of(o->text), .hop = S(""));
}

static void
tell_result(struct delivery *d, const struct outcome *o)
{
	log_trouble(d, o);
	send_result(d, o);
}

/* Nothing can be tried, so no recipient needs the message. */
static void
put_off_job(struct delivery *d)
{
	struct outcome o;

	(void)outcome_set(
	    &o, d->trouble->kind == ERROR_PERMANENT ? OUTCOME_SETUP : OUTCOME_AWAY, "%s", d->trouble->text);
	for (; d->current < d->rcpts_count; d->current++)
		tell_result(d, &o);
	end_job(d);
}

static void
end_copy(struct delivery *d, const struct outcome *o)
{
	drop_copy(d);
	tell_result(d, o);
	d->offset = 0;
	if (++d->current < d->rcpts_count)
		pull(d);
	else
		end_job(d);
}

/* --- writing --- */

static bool
write_out(struct delivery *d, struct outcome *o)
{
	struct str text = buf_str(&d->out);
	bool ok;

	if (d->where->method == CONFIG_METHOD_MBOX)
		ok = mbox_write(&d->mbox, text.ptr, text.len, o);
	else
		ok = maildir_write(&d->maildir, text.ptr, text.len, o);
	buf_reset(&d->out);
	return ok;
}

/* CRLF becomes LF; a CR by itself stays. The buffer holds a whole piece and the CR before it. */
static void
append_lines(struct delivery *d, struct str bytes)
{
	size_t i;

	for (i = 0; i < bytes.len; i++) {
		char c = bytes.ptr[i];
		if (d->held_cr && c != '\n')
			(void)buf_append_byte(&d->out, '\r');
		d->held_cr = c == '\r';
		if (!d->held_cr)
			(void)buf_append_byte(&d->out, c);
	}
}

/*
 * The trace of final delivery (RFC 5321 section 4.4). Before the scan for a loop, which is about what stood there already.
 */
static bool
write_top(struct delivery *d, struct outcome *o)
{
	const struct rcpt *rcpt = &d->rcpts[d->current];

	buf_reset(&d->out);
	d->held_cr = false;
	loop_scan_init(&d->scan, str_of(rcpt->address));
	if (d->where->method == CONFIG_METHOD_MBOX &&
	    !mbox_write_from(&d->mbox, str_of(d->reverse_path), loop_wall_ms() / 1000, o))
		return false;
	(void)buf_printf(&d->out, "Return-Path: <%s>\nDelivered-To: %s\n", d->reverse_path, rcpt->address);
	return true;
}

static bool
write_piece(struct delivery *d, struct str bytes, struct outcome *o)
{
	size_t top = d->out.len;
	struct str text;

	append_lines(d, bytes);
	text = buf_str(&d->out);
	if (loop_scan_take(&d->scan, text.ptr + top, text.len - top))
		return outcome_set(o, OUTCOME_LOOP, "%s", d->rcpts[d->current].address);
	return write_out(d, o);
}

static void
commit(struct delivery *d)
{
	struct outcome o;
	bool ok = true;

	if (d->held_cr) {
		(void)buf_append_byte(&d->out, '\r');
		ok = write_out(d, &o);
	}
	if (ok && d->where->method == CONFIG_METHOD_MBOX)
		(void)mbox_commit(&d->mbox, &o);
	else if (ok)
		(void)maildir_commit(&d->maildir, &o);
	end_copy(d, &o);
}

/* --- the beginning of a copy --- */

static enum mbox_begun
open_mailbox(struct delivery *d, struct outcome *o)
{
	const struct where *w = d->where;
	const struct rcpt *rcpt = &d->rcpts[d->current];
	struct str dest = str_of(rcpt->address), asked = str_of(rcpt->forward_path);
	char folder[MAILBOX_NAME_MAX + 1];

	d->path[0] = '\0';
	if (!where_path(w, str_of(d->reverse_path), asked, dest, d->path, o))
		return MBOX_FAILED;
	if (w->method == CONFIG_METHOD_MBOX)
		return mbox_begin(&d->mbox, w->root_fd, d->path, (struct mbox_owner){ w->uid, w->mail_gid },
		    loop_wall_ms() / 1000, o);
	where_folder(w, asked, dest, folder);
	return maildir_begin(&d->maildir, w->root_fd, d->path, folder, w->uid, o) ? MBOX_OPEN : MBOX_FAILED;
}

/* Returns true when the copy is open. Else it waits for a lock, or has ended. */
static bool
begin_copy(struct delivery *d)
{
	struct outcome o;
	enum mbox_begun begun = open_mailbox(d, &o);

	d->open = begun == MBOX_OPEN;
	if (d->open && write_top(d, &o))
		return true;
	if (d->state != STATE_LOCKED)
		d->locked_since_ms = loop_now_ms();
	if (begun != MBOX_BUSY || loop_now_ms() - d->locked_since_ms >= MBOX_LOCK_WAIT_MS) {
		end_copy(d, &o);
		return false;
	}
	d->state = STATE_LOCKED;
	loop_timer_start(&d->retry, MBOX_LOCK_RETRY_MS);
	return false;
}

static void
retry_lock(void *arg)
{
	struct delivery *d = arg;

	if (begin_copy(d))
		pull(d);
}

/* --- what queue says --- */

bool
delivery_take_job(struct delivery *d, struct channel *c, uint64_t id, const struct msg_job *job)
{
	if (d->state != STATE_IDLE || job->rcpts == 0)
		return false;
	d->channel = c;
	d->id = id;
	d->message = job->message;
	d->size = job->size;
	d->offset = 0;
	d->reverse_path = copy(job->reverse_path);
	d->rcpts_count = (size_t)job->rcpts;
	d->rcpts = calloc(d->rcpts_count, sizeof(*d->rcpts));
	if (d->rcpts == NULL)
		fatal("out of memory");
	d->state = STATE_RCPTS;
	return true;
}

bool
delivery_take_rcpt(struct delivery *d, uint64_t id, const struct msg_job_rcpt *rcpt)
{
	if (d->state != STATE_RCPTS || id != d->id)
		return false;
	d->rcpts[d->rcpts_told].number = rcpt->number;
	d->rcpts[d->rcpts_told].address = copy(rcpt->address);
	d->rcpts[d->rcpts_told].forward_path = copy(rcpt->forward_path);
	if (++d->rcpts_told == d->rcpts_count)
		d->state = STATE_READING;
	return true;
}

/* A piece has its place, and moves on: else a queue gone wrong would keep us busy for ever. */
static bool
piece_fits(const struct delivery *d, const struct msg_job_body *body)
{
	uint64_t left = d->size - d->offset;

	return body->offset == d->offset && body->bytes.len <= left && (body->bytes.len > 0 || left == 0);
}

bool
delivery_take_body(struct delivery *d, uint64_t id, const struct msg_job_body *body)
{
	struct outcome o;

	if (d->state != STATE_READING || id != d->id || !piece_fits(d, body))
		return false;
	if (d->trouble != NULL) {
		put_off_job(d);
		return true;
	}
	if (!d->open && !begin_copy(d))
		return true; /* a piece that comes before the lock is asked for again */
	if (!write_piece(d, body->bytes, &o)) {
		end_copy(d, &o);
		return true;
	}
	d->offset += body->bytes.len;
	if (d->offset == d->size)
		commit(d);
	else
		pull(d);
	return true;
}

/* The next recipient's copy would end at the same place: all are put off at once. queue has logged what it cannot read. */
bool
delivery_take_cancel(struct delivery *d, uint64_t id, const struct msg_job_cancel *cancel)
{
	struct outcome o;

	if (d->state != STATE_READING || id != d->id)
		return false;
	(void)outcome_set(&o, OUTCOME_BROKEN, "%.*s", STR_ARG(cancel->text));
	drop_copy(d);
	for (; d->current < d->rcpts_count; d->current++)
		send_result(d, &o);
	end_job(d);
	return true;
}
