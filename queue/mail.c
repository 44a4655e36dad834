/* SPDX-License-Identifier: ISC */
#include "queue/mail.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "queue/report.h"

/* Copies s to *room, moves *room behind it, and returns the view of the copy. */
static struct str
place(struct str s, char **room)
{
	struct str copy = { *room, s.len };

	if (s.len > 0)
		memcpy(*room, s.ptr, s.len);
	*room += s.len;
	return copy;
}

struct mail *
mail_new(uint64_t id, const struct record_message *record, struct body *body)
{
	struct mail *m = malloc(sizeof(*m) + record->reverse_path.len + record->envid.len);
	char *room;

	if (m == NULL)
		return NULL;
	room = m->bytes;
	m->id = id;
	m->references = 1;
	m->body = body;
	m->text_size = record->size + record->preamble.len;
	m->created_ms = (int64_t)record->created_ms;
	m->body_type = record->body;
	m->owner = record->owner;
	m->last = str_equal(record->origin, S(REPORT_ORIGIN_LAST));
	m->notification = m->last || str_equal(record->origin, S(REPORT_ORIGIN));
	m->ret = record->ret;
	m->envid = place(record->envid, &room);
	m->reverse_path = place(record->reverse_path, &room);
	return m;
}

struct mail *
mail_hold(struct mail *m)
{
	m->references++;
	return m;
}

void
mail_release(struct mail *m)
{
	if (m == NULL || --m->references > 0)
		return;
	body_free(m->body);
	free(m);
}

struct mail *
mail_load(struct store_txn *txn, uint64_t id, enum store_found *found, struct error *err)
{
	struct record_message record;
	struct mail *m;

	*found = store_get_message(txn, id, &record, err);
	if (*found != STORE_FOUND)
		return NULL;
	m = mail_new(id, &record, NULL);
	if (m == NULL) {
		*found = STORE_BROKEN;
		(void)error_set(err, ERROR_TEMPORARY, "out of memory");
	}
	return m;
}

struct reply *
reply_new(const struct reply *from)
{
	struct reply *r = malloc(sizeof(*r) + from->enhanced.len + from->text.len + from->hop.len + from->tls.len);
	char *room;

	if (r == NULL)
		fatal("out of memory");
	room = r->bytes;
	r->code = from->code;
	r->cause = from->cause;
	r->enhanced = place(from->enhanced, &room);
	r->text = place(from->text, &room);
	r->hop = place(from->hop, &room);
	r->tls = place(from->tls, &room);
	return r;
}

/* --- recipients --- */

struct rcpt *
rcpt_new(const struct record_recipient *record, uint32_t number, struct str destination)
{
	const struct reply last = { .code = (unsigned)record->code,
		.cause = record->cause,
		.enhanced = record->enhanced,
		.text = record->text,
		.hop = record->hop,
		.tls = record->tls };
	size_t size = record->forward_path.len + record->recipient.len + record->user.len + record->action.len +
	    record->orcpt.len + destination.len;
	struct rcpt *r = malloc(sizeof(*r) + size);
	char *room;

	if (r == NULL)
		return NULL;
	room = r->bytes;
	r->number = number;
	r->tries = record->tries;
	r->expires_ms = (int64_t)record->expires_ms;
	r->kind = record->kind;
	r->forward_path = place(record->forward_path, &room);
	r->recipient = place(record->recipient, &room);
	r->user = place(record->user, &room);
	r->action = place(record->action, &room);
	r->notify = (unsigned)record->notify;
	r->orcpt = place(record->orcpt, &room);
	r->passed = false;
	r->destination = place(destination, &room);
	r->destination_id = record->destination;
	r->ticket = 0;
	r->chosen = false;
	r->outcome = OUTCOME_NONE;
	r->due_us = (int64_t)record->due_us;
	r->reply = last.code != 0 || last.text.len > 0 ? reply_new(&last) : NULL;
	return r;
}

size_t
rcpt_memory(const struct rcpt *r)
{
	return sizeof(*r) + r->forward_path.len + r->recipient.len + r->user.len + r->action.len + r->orcpt.len +
	    r->destination.len;
}

void
rcpt_free(struct rcpt *r)
{
	if (r == NULL)
		return;
	free(r->reply);
	free(r);
}

void
rcpts_free(struct rcpts *list)
{
	struct rcpt *r;

	while ((r = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, next);
		rcpt_free(r);
	}
}

void
rcpt_answer(struct rcpt *r, enum outcome outcome, struct reply *reply)
{
	free(r->reply);
	r->outcome = outcome;
	r->reply = reply;
}

/* --- deliveries --- */

struct delivery *
delivery_new(struct mail *mail, int64_t due_us)
{
	struct delivery *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->mail = mail_hold(mail);
	d->due_us = due_us;
	STAILQ_INIT(&d->rcpts);
	return d;
}

void
delivery_add(struct delivery *d, struct rcpt *r)
{
	if (d->count++ == 0)
		d->first = r->number;
	STAILQ_INSERT_TAIL(&d->rcpts, r, next);
}

void
delivery_free(struct delivery *d)
{
	rcpts_free(&d->rcpts);
	mail_release(d->mail);
	free(d);
}

bool
delivery_has(const struct delivery *d, uint32_t number)
{
	const struct rcpt *r = STAILQ_LAST(&d->rcpts, rcpt, next);

	if (r == NULL || number < d->first || number > r->number)
		return false;
	STAILQ_FOREACH (r, &d->rcpts, next)
		if (r->number == number)
			return true;
	return false;
}
