/* SPDX-License-Identifier: ISC */
#include "queue/export.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/date.h"
#include "common/version.h"
#include "queue/archive_walk.h"

enum { ENOUGH = 65536, ENVELOPE_MAX = 64 * 1024 * 1024, MS = 1000, LINE_MAX_BYTES = 128 };

/* --- writing --- */

static void
write_all(struct export *e, struct str bytes)
{
	while (bytes.len > 0 && !e->failed) {
		ssize_t n = write(STDOUT_FILENO, bytes.ptr, bytes.len);
		if (n > 0)
			bytes = (struct str){ bytes.ptr + n, bytes.len - (size_t)n };
		else if (n == 0 || errno != EINTR)
			e->failed = true;
	}
}

static void
flush(struct export *e)
{
	write_all(e, buf_str(&e->out));
	buf_reset(&e->out);
}

static void
flush_enough(struct export *e)
{
	if (e->out.len >= ENOUGH)
		flush(e);
}

void
export_damaged(struct export *e, const char *fmt, ...)
{
	va_list ap;

	e->damaged++;
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}

/* --- as a backup --- */

static uint64_t
now_ms(void)
{
	return (uint64_t)time(NULL) * MS;
}

static void
put_rcpts(struct export *e, const struct export_mail *mail)
{
	struct export_rcpt rcpt;
	struct buf record;
	uint32_t from = 0;

	buf_init(&record, STORE_RECORD_MAX);
	while (mail->rcpt(mail->arg, mail->id, from, &rcpt)) {
		rcpt.record.destination = 0;
		buf_reset(&record);
		archive_encode(RECORD_KIND_RECIPIENT, &rcpt.record, &record);
		ARCHIVE_PUT(&e->out, &e->count, RCPT, rcpt, .number = rcpt.number, .destination = rcpt.destination,
		    .record = buf_str(&record));
		flush_enough(e);
		if (rcpt.number == UINT32_MAX)
			break;
		from = rcpt.number + 1;
	}
	buf_clear(&record);
}

static void
put_archived(struct export *e, const struct export_mail *mail, uint32_t pieces)
{
	struct buf record;
	struct str data;
	uint32_t i;

	ARCHIVE_PUT(&e->out, &e->count, BEGIN, begin, .message = mail->id);
	for (i = 0; i < pieces && mail->piece(mail->arg, mail->id, i, &data); i++) {
		ARCHIVE_PUT(&e->out, &e->count, BODY, body, .bytes = data);
		flush_enough(e);
	}
	buf_init(&record, STORE_RECORD_MAX);
	archive_encode(RECORD_KIND_MESSAGE, &mail->record, &record);
	ARCHIVE_PUT(&e->out, &e->count, MESSAGE, message, .record = buf_str(&record));
	buf_clear(&record);
	put_rcpts(e, mail);
	ARCHIVE_PUT(&e->out, &e->count, END, end, .whole = true);
	flush_enough(e);
}

/* --- as files --- */

/* A field of the envelope. What could be mistaken by a terminal is shown as \xNN. */
static void
put_field(struct buf *out, const char *name, struct str value)
{
	size_t i;

	(void)buf_printf(out, "%s: ", name);
	for (i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];
		if (c < 0x20 || c == 0x7f)
			(void)buf_printf(out, "\\x%02x", c);
		else
			(void)buf_append_byte(out, (char)c);
	}
	(void)buf_append_byte(out, '\n');
}

static void
put_number(struct buf *out, const char *name, uint64_t value)
{
	(void)buf_printf(out, "%s: %" PRIu64 "\n", name, value);
}

static void
put_time(struct buf *out, const char *name, uint64_t ms)
{
	char text[DATE_MAX + 1];

	(void)date_format_iso((int64_t)ms, text);
	put_field(out, name, str_of(text));
}

static void
put_envelope_rcpt(struct buf *out, const struct export_rcpt *rcpt)
{
	const struct record_recipient *r = &rcpt->record;

	(void)buf_append_byte(out, '\n');
	put_number(out, "Number", rcpt->number);
	put_field(out, "Forward-Path", r->forward_path);
	put_field(out, "Recipient", r->recipient);
	put_field(out, "Action", r->action);
	put_field(out, "Destination", rcpt->destination);
	if (r->orcpt.len > 0)
		put_field(out, "Orcpt", r->orcpt);
	put_time(out, "Expires", r->expires_ms);
	put_number(out, "Tries", r->tries);
	if (r->code != 0)
		(void)buf_printf(out, "Last-Code: %" PRIu64 "\n", r->code);
	if (r->text.len > 0)
		put_field(out, "Last-Text", r->text);
}

static void
put_envelope(struct buf *out, const struct export_mail *mail)
{
	const struct record_message *m = &mail->record;
	struct export_rcpt rcpt;
	uint32_t from = 0;

	(void)buf_printf(out, "Message: %016" PRIx64 "\n", mail->id);
	put_field(out, "Reverse-Path", m->reverse_path);
	put_time(out, "Created", m->created_ms);
	put_field(out, "Origin", m->origin);
	put_field(out, "Body", m->body == PROTO_BODY_8BITMIME ? S("8BITMIME") : S("7BIT"));
	if (m->owner != PROTO_OWNER_NONE)
		put_number(out, "Owner", m->owner);
	if (m->envid.len > 0)
		put_field(out, "Envid", m->envid);
	while (mail->rcpt(mail->arg, mail->id, from, &rcpt)) {
		put_envelope_rcpt(out, &rcpt);
		if (rcpt.number == UINT32_MAX)
			break;
		from = rcpt.number + 1;
	}
}

static void
put_files(struct export *e, const struct export_mail *mail, uint32_t pieces)
{
	char line[LINE_MAX_BYTES];
	struct buf envelope;
	struct str data;
	uint32_t i;

	buf_init(&envelope, ENVELOPE_MAX);
	put_envelope(&envelope, mail);
	(void)snprintf(line, sizeof(line), "message %016" PRIx64 " %" PRIu64 " %zu\n", mail->id,
	    mail->record.preamble.len + mail->record.size, envelope.len);
	write_all(e, str_of(line));
	write_all(e, mail->record.preamble);
	for (i = 0; i < pieces && mail->piece(mail->arg, mail->id, i, &data); i++)
		write_all(e, data);
	write_all(e, buf_str(&envelope));
	buf_clear(&envelope);
}

/* --- --- */

/* All pieces, each of its length: only then is anything of it written. */
static bool
has_pieces(struct export *e, const struct export_mail *mail, uint32_t pieces)
{
	uint64_t left = mail->record.size;
	struct str data;
	uint32_t i;

	for (i = 0; i < pieces; i++) {
		size_t expected = left < RECORD_PIECE_DATA ? (size_t)left : RECORD_PIECE_DATA;
		if (!mail->piece(mail->arg, mail->id, i, &data) || data.len != expected) {
			export_damaged(
			    e, "message %016" PRIx64 ": piece %u of %u is missing or damaged", mail->id, i, pieces);
			return false;
		}
		left -= expected;
	}
	return true;
}

void
export_mail(struct export *e, const struct export_mail *mail)
{
	const uint64_t pieces = (mail->record.size + RECORD_PIECE_DATA - 1) / RECORD_PIECE_DATA;
	struct export_rcpt rcpt;

	if (pieces > UINT32_MAX || !has_pieces(e, mail, (uint32_t)pieces))
		return;
	if (!mail->rcpt(mail->arg, mail->id, 0, &rcpt)) {
		export_damaged(e, "message %016" PRIx64 ": none of its recipients is left", mail->id);
		if (!e->offline->files) /* there is nobody whom it could be delivered to */
			return;
	}
	if (e->offline->files)
		put_files(e, mail, (uint32_t)pieces);
	else
		put_archived(e, mail, (uint32_t)pieces);
	e->messages++;
}

void
export_begin(struct export *e, const struct offline *o, uint64_t store, uint64_t next_message)
{
	*e = (struct export){ .offline = o };
	buf_init(&e->out, ENOUGH + ARCHIVE_RECORD_MAX);
	if (!o->files)
		ARCHIVE_PUT(&e->out, &e->count, HEAD, head, .format = ARCHIVE_FORMAT, .version = S(POSTERN_VERSION),
		    .store = store, .created_ms = now_ms(), .next_message = next_message);
}

/* What is left is written; who asked is told how much it was. */
static int
finish(struct export *e)
{
	flush(e);
	buf_clear(&e->out);
	if (e->failed) {
		(void)fprintf(stderr, "queue: standard output: %s\n", strerror(errno));
		return OFFLINE_FINDINGS;
	}
	(void)fprintf(stderr, "%s: %" PRIu64 " messages exported, %" PRIu64 " %s\n", e->offline->spool, e->messages,
	    e->damaged, e->damaged == 1 ? "finding" : "findings");
	return e->damaged > 0 ? OFFLINE_FINDINGS : OFFLINE_OK;
}

int
export_end(struct export *e)
{
	if (e->offline->files)
		(void)buf_printf(&e->out, "end %" PRIu64 " %" PRIu64 "\n", e->messages, e->damaged);
	else
		ARCHIVE_PUT(&e->out, &e->count, TAIL, tail, .messages = e->messages, .damaged = e->damaged);
	return finish(e);
}

/* --- from a store that is whole --- */

static bool
stored_piece(void *arg, uint64_t id, uint32_t sequence, struct str *data)
{
	return store_get_piece(arg, id, sequence, data, NULL) == STORE_FOUND;
}

/* One that is damaged is passed over. */
static bool
stored_rcpt(void *arg, uint64_t id, uint32_t from, struct export_rcpt *out)
{
	struct record_destination destination;
	enum store_found found;
	unsigned kind;

	do {
		out->number = UINT32_MAX;
		found = store_next_recipient(arg, id, from, &out->number, &out->record, NULL);
		if (found == STORE_FOUND &&
		    store_get_destination(arg, out->record.destination, &kind, &out->destination, &destination, NULL) ==
			STORE_FOUND)
			return true;
		from = out->number + 1;
	} while (found != STORE_NONE && out->number != UINT32_MAX);
	return false;
}

static void
export_files(struct export *e, struct store_txn *txn)
{
	struct export_mail mail = { .arg = txn, .piece = stored_piece, .rcpt = stored_rcpt };
	enum store_found found;
	struct error err;
	uint64_t before;

	do {
		before = mail.id;
		found = store_next_message(txn, mail.id, &mail.id, &mail.record, &err);
		if (found == STORE_FOUND)
			export_mail(e, &mail);
		else if (found == STORE_BROKEN)
			export_damaged(e, "%s", err.text);
	} while (found != STORE_NONE && mail.id != before && !e->failed);
}

static void
report(void *arg, const char *text)
{
	export_damaged(arg, "%s", text);
}

/* The very stream of a backup, history and all. */
static void
export_archive(struct export *e, struct store *store, struct store_txn *txn)
{
	struct archive_walk walk;

	archive_walk_start(&walk, now_ms(), report, e);
	while (archive_walk_step(&walk, store, txn, ENOUGH, &e->out) && !e->failed)
		flush(e);
	e->messages = walk.messages;
}

int
export_run(const struct offline *o)
{
	struct store *store = offline_open(o);
	struct store_txn *txn;
	struct export e = { .offline = o };
	struct error err;
	int code;

	if (store == NULL)
		return OFFLINE_REFUSED;
	txn = store_read(store, &err);
	if (txn == NULL) {
		store_close(store);
		return offline_refuse(&err);
	}
	if (o->files) {
		export_begin(&e, o, 0, 0);
		export_files(&e, txn);
		code = export_end(&e);
	} else {
		buf_init(&e.out, ENOUGH + ARCHIVE_RECORD_MAX);
		export_archive(&e, store, txn);
		code = finish(&e);
	}
	store_read_end(txn);
	store_close(store);
	return code;
}
