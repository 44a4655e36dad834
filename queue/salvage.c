/* SPDX-License-Identifier: ISC */
#include "queue/salvage.h"

#include <sys/file.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/sandbox.h"
#include "queue/arrival.h"
#include "queue/export.h"
#include "queue/live.h"
#include "queue/store_lmdb.h"

enum { FOUND_FIRST = 4096 };

/* What is looked for; the order of the list. */
enum found_kind { FOUND_MESSAGE, FOUND_RCPT, FOUND_PIECE, FOUND_DESTINATION, FOUND_NAME };

/* A record that is sound, and where it is. */
struct found {
	uint64_t id;
	uint64_t page;
	uint32_t number; /* of a recipient or piece */
	uint16_t node;
	uint8_t kind;
	uint8_t unsure; /* its page may be of an older state */
};

struct salvage {
	struct export e;
	struct pages pages;
	struct live live;
	char *page;           /* that is being looked at */
	uint64_t page_number; /* which one it is */
	char big[STORE_RECORD_MAX];
	struct found *all;
	size_t count, size;
	uint64_t store, applied, next_message; /* numbers in meta; 0: not found */
	struct journal *journal;
	/* What is handed out, each kind by itself. */
	char message[STORE_RECORD_MAX], rcpt[STORE_RECORD_MAX], piece[RECORD_PIECE_MAX], destination[STORE_RECORD_MAX];
};

/* --- finding --- */

/* The value of a node, on its page or big; false where it is not whole. */
static bool
value_of(struct salvage *s, const struct page_node *node, char *big, struct str *value)
{
	*value = node->value;
	if (!node->is_big)
		return node->size <= STORE_RECORD_MAX;
	if (node->size > STORE_RECORD_MAX || !pages_big(&s->pages, node->page, node->size, big))
		return false;
	*value = (struct str){ big, node->size };
	return true;
}

static bool
keep(struct salvage *s, enum found_kind kind, uint64_t id, uint32_t number, uint64_t page, size_t node)
{
	size_t size = s->size == 0 ? FOUND_FIRST : 2 * s->size;
	struct found *bigger;

	if (s->count == s->size) {
		bigger = s->count >= SALVAGE_RECORDS_MAX ? NULL : reallocarray(s->all, size, sizeof(*s->all));
		if (bigger == NULL)
			return false;
		s->all = bigger;
		s->size = size;
	}
	s->all[s->count++] = (struct found){ .id = id,
		.number = number,
		.page = page,
		.node = (uint16_t)node,
		.kind = (uint8_t)kind,
		.unsure = (s->live.marks[page] & LIVE_REACHED) == 0 };
	return true;
}

/* The checksum says what it is: no record passes for one of another kind, or under another key. */
static bool
keep_record(struct salvage *s, struct str key, struct str value, uint64_t page, size_t node)
{
	struct record_message message;
	struct record_recipient rcpt;
	struct record_destination destination;
	struct record_number number;
	struct str data;

	if (key.len == KEY_MESSAGE_SIZE && record_decode(RECORD_KIND_MESSAGE, key, value, &message))
		return keep(s, FOUND_MESSAGE, key_u64(key, 0), 0, page, node);
	if (key.len == KEY_DESTINATION_SIZE && record_decode(RECORD_KIND_DESTINATION, key, value, &destination))
		return keep(s, FOUND_DESTINATION, key_u64(key, 0), 0, page, node);
	if (key.len == KEY_NUMBERED_SIZE && record_piece_decode(key, value, &data))
		return keep(s, FOUND_PIECE, key_u64(key, 0), key_u32(key, 8), page, node);
	if (key.len == KEY_NUMBERED_SIZE && record_decode(RECORD_KIND_RECIPIENT, key, value, &rcpt))
		return keep(s, FOUND_RCPT, key_u64(key, 0), key_u32(key, 8), page, node);
	if ((unsigned char)key.ptr[0] <= RECIPIENT_UNROUTED && key.len <= 1 + STORE_KEY_NAME_BYTES &&
	    record_decode(RECORD_KIND_NUMBER, key, value, &number))
		return keep(s, FOUND_NAME, number.value, 0, page, node);
	return true;
}

/* The largest: there may be an older one. */
static void
look_at_number(struct salvage *s, struct str key, struct str value)
{
	const struct {
		enum store_number number;
		uint64_t *at;
	} wanted[] = { { NUMBER_STORE, &s->store }, { NUMBER_JOURNAL, &s->applied },
		{ NUMBER_NEXT_MESSAGE, &s->next_message } };
	struct record_number record;
	size_t i;

	for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (str_equal(key, str_of(store_number_names[wanted[i].number])) &&
		    record_decode(RECORD_KIND_NUMBER, key, value, &record) && record.value > *wanted[i].at)
			*wanted[i].at = record.value;
}

static bool
look_at_page(struct salvage *s, uint64_t number)
{
	size_t i, count;
	struct page_node node;
	struct str value;

	/* What kind of page it says it is may be what is damaged. */
	if (!pages_read(&s->pages, number, false, s->page))
		return true;
	count = page_nodes(&s->pages, s->page);
	for (i = 0; i < count; i++) {
		if (!page_node(&s->pages, s->page, i, false, &node) || node.is_tree || node.key.len == 0 ||
		    !value_of(s, &node, s->big, &value))
			continue;
		look_at_number(s, node.key, value);
		if (!keep_record(s, node.key, value, number, i))
			return false;
	}
	return true;
}

/* Of several with one name the sure one is first, and is the one that counts. */
static int
compare(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return (x->unsure > y->unsure) - (x->unsure < y->unsure);
}

static bool
find_all(struct salvage *s)
{
	uint64_t i;

	for (i = 0; i < s->pages.count; i++)
		if (live_is(&s->live, i) && !look_at_page(s, i))
			return false;
	/* libc's qsort asks how much memory there is, which is not on the list. */
	if (s->count > 0)
		(void)heapsort(s->all, s->count, sizeof(*s->all), compare);
	return true;
}

/* The first of that kind and id, with a number from `from` on. */
static const struct found *
find(const struct salvage *s, enum found_kind kind, uint64_t id, uint32_t from)
{
	const struct found wanted = { .kind = (uint8_t)kind, .id = id, .number = from };
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare(&s->all[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < s->count && s->all[low].kind == kind && s->all[low].id == id ? &s->all[low] : NULL;
}

/* Reads what was found, its value into out; it was sound a moment ago. key may be NULL, else it is a view of the page. */
static bool
read_found(struct salvage *s, const struct found *f, char *out, size_t size, struct str *key, struct str *value)
{
	struct page_node node;

	if (s->page_number != f->page && !pages_read(&s->pages, f->page, false, s->page))
		return false;
	s->page_number = f->page;
	if (!page_node(&s->pages, s->page, f->node, false, &node) || node.size > size ||
	    !value_of(s, &node, out, value))
		return false;
	if (value->ptr != out)
		memcpy(out, value->ptr, value->len);
	value->ptr = out;
	if (key != NULL)
		*key = node.key;
	return true;
}

/* --- handing out --- */

static bool
found_piece(void *arg, uint64_t id, uint32_t sequence, struct str *data)
{
	struct salvage *s = arg;
	const struct found *f = find(s, FOUND_PIECE, id, sequence);
	struct str value;
	struct key k;

	key_numbered(&k, id, sequence);
	return f != NULL && f->number == sequence && read_found(s, f, s->piece, sizeof(s->piece), NULL, &value) &&
	    record_piece_decode(key_str(&k), value, data);
}

/* By its record, or where that is lost by the entry that finds it. */
static bool
found_destination(struct salvage *s, uint64_t id, struct str *name)
{
	const struct found *f = find(s, FOUND_DESTINATION, id, 0);
	struct record_destination record;
	struct str key, value;
	struct key k;

	key_destination(&k, id);
	if (f != NULL && read_found(s, f, s->destination, sizeof(s->destination), NULL, &value) &&
	    record_decode(RECORD_KIND_DESTINATION, key_str(&k), value, &record)) {
		*name = record.name;
		return true;
	}
	f = find(s, FOUND_NAME, id, 0);
	if (f == NULL || !read_found(s, f, s->destination, sizeof(s->destination), &key, &value))
		return false;
	memcpy(s->destination, key.ptr + 1, key.len - 1);
	*name = (struct str){ s->destination, key.len - 1 };
	return true;
}

static bool
found_rcpt(void *arg, uint64_t id, uint32_t from, struct export_rcpt *out)
{
	struct salvage *s = arg;
	const struct found *f, *end = s->all + s->count;
	struct str value;
	struct key k;

	f = find(s, FOUND_RCPT, id, from);
	for (; f != NULL && f < end && f->kind == FOUND_RCPT && f->id == id; f++) {
		key_numbered(&k, id, f->number);
		if (read_found(s, f, s->rcpt, sizeof(s->rcpt), NULL, &value) &&
		    record_decode(RECORD_KIND_RECIPIENT, key_str(&k), value, &out->record) &&
		    found_destination(s, out->record.destination, &out->destination)) {
			out->number = f->number;
			return true;
		}
	}
	return false;
}

static void
put_found(struct salvage *s, const struct found *f)
{
	struct export_mail mail = { .id = f->id, .arg = s, .piece = found_piece, .rcpt = found_rcpt };
	struct str value;
	struct key k;

	key_message(&k, f->id);
	if (read_found(s, f, s->message, sizeof(s->message), NULL, &value) &&
	    record_decode(RECORD_KIND_MESSAGE, key_str(&k), value, &mail.record))
		export_mail(&s->e, &mail);
}

/* Whether it is the first of its id and kind: others are the same, or older. */
static bool
is_first(const struct salvage *s, size_t i)
{
	return i == 0 || s->all[i - 1].kind != s->all[i].kind || s->all[i - 1].id != s->all[i].id;
}

/* A recipient is deleted before its message, and so tells of one that is lost. */
static void
put_all_found(struct salvage *s)
{
	size_t i;

	for (i = 0; i < s->count && !s->e.failed; i++) {
		if (!is_first(s, i))
			continue;
		if (s->all[i].kind == FOUND_MESSAGE)
			put_found(s, &s->all[i]);
		else if (s->all[i].kind == FOUND_RCPT && find(s, FOUND_MESSAGE, s->all[i].id, 0) == NULL)
			export_damaged(&s->e, "message %016" PRIx64 ": all but its recipients is lost", s->all[i].id);
	}
}

/* --- what only the journal has --- */

struct kept {
	struct str rcpts, body;
};

static bool
kept_piece(void *arg, uint64_t id, uint32_t sequence, struct str *data)
{
	const struct kept *kept = arg;
	const size_t at = (size_t)sequence * RECORD_PIECE_DATA;

	(void)id;
	if (at >= kept->body.len)
		return false;
	*data = (struct str){ kept->body.ptr + at, kept->body.len - at };
	data->len = data->len < RECORD_PIECE_DATA ? data->len : RECORD_PIECE_DATA;
	return true;
}

static bool
kept_rcpt(void *arg, uint64_t id, uint32_t from, struct export_rcpt *out)
{
	const struct kept *kept = arg;
	struct str rest = kept->rcpts;
	struct arrival_rcpt rcpt;

	(void)id;
	do
		if (rest.ptr >= kept->body.ptr || !arrival_decode_rcpt(&rest, &rcpt))
			return false;
	while (rcpt.number < from);
	*out = (struct export_rcpt){ rcpt.number, rcpt.destination, rcpt.record };
	return true;
}

static bool
put_kept(void *arg, uint64_t number, struct str entry, struct error *err)
{
	struct salvage *s = arg;
	struct kept kept = { .rcpts = entry };
	struct export_mail mail = { .arg = &kept, .piece = kept_piece, .rcpt = kept_rcpt };
	struct arrival_rcpt rcpt;
	struct arrival arrival;
	uint64_t i;

	(void)number;
	(void)err;
	if (!arrival_decode(&kept.rcpts, &arrival))
		return true;
	kept.body = kept.rcpts;
	for (i = 0; i < arrival.record.recipients; i++)
		if (!arrival_decode_rcpt(&kept.body, &rcpt))
			return true;
	mail.id = arrival.message;
	mail.record = arrival.record;
	if (find(s, FOUND_MESSAGE, mail.id, 0) == NULL)
		export_mail(&s->e, &mail);
	return true;
}

static void
put_all_kept(struct salvage *s)
{
	struct error err;

	if (s->journal == NULL)
		return;
	if (s->store != 0 && journal_store(s->journal) != s->store)
		export_damaged(&s->e, "%s/journal: belongs to another store", s->e.offline->spool);
	else if (!journal_read(s->journal, s->applied, put_kept, s, &err))
		export_damaged(&s->e, "%s", err.text);
}

/* --- --- */

/* That no daemon writes what is read here. Without the file there is none. */
static bool
is_idle(int dir)
{
	int fd = openat(dir, "lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW); /* closed with the process */

	return fd == -1 || flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static bool
open_spool(const struct offline *o, int *data, struct journal **journal, struct error *err)
{
	int dir = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir == -1)
		return error_set(err, ERROR_PERMANENT, "%s: %s", o->spool, strerror(errno));
	if (!is_idle(dir))
		return error_set(err, ERROR_PERMANENT, "%s: is in use by another process", o->spool);
	*data = openat(dir, "data.mdb", O_RDONLY | O_CLOEXEC);
	if (*data == -1)
		return error_set(err, ERROR_PERMANENT, "%s/data.mdb: %s", o->spool, strerror(errno));
	if (faccessat(dir, "journal", F_OK, 0) == 0)
		*journal = journal_open(dir, o->spool, 0, JOURNAL_HALF_LEAST, err);
	(void)close(dir);
	return sandbox_filter(PROTO_KIND_QUEUE, err);
}

static uint64_t
next_message(const struct salvage *s)
{
	uint64_t highest = 0;
	size_t i;

	for (i = 0; i < s->count; i++)
		if (s->all[i].kind == FOUND_MESSAGE && s->all[i].id > highest)
			highest = s->all[i].id;
	return s->next_message > highest ? s->next_message : highest + 2 * (uint64_t)QUEUE_IDS_AHEAD;
}

static bool
look_through(struct salvage *s, int data, struct error *err)
{
	if (!pages_open(&s->pages, data, err) || !live_find(&s->live, &s->pages, err))
		return false;
	s->page = malloc(s->pages.size);
	s->page_number = PAGES_NONE;
	return (s->page != NULL && find_all(s)) || error_set(err, ERROR_TEMPORARY, "out of memory");
}

int
salvage_from(const struct offline *o, int data, struct journal *journal)
{
	struct salvage *s = calloc(1, sizeof(*s));
	struct error err;
	int code;

	if (s == NULL)
		fatal("out of memory");
	s->journal = journal;
	if (look_through(s, data, &err)) {
		export_begin(&s->e, o, s->store, next_message(s));
		put_all_found(s);
		put_all_kept(s);
		code = export_end(&s->e);
	} else {
		code = offline_refuse(&err);
	}
	live_free(&s->live);
	free(s->all);
	free(s->page);
	free(s);
	return code;
}

int
salvage_run(const struct offline *o)
{
	struct journal *journal = NULL;
	struct error err;
	int data, code;

	if (!open_spool(o, &data, &journal, &err))
		return offline_refuse(&err);
	code = salvage_from(o, data, journal);
	journal_close(journal);
	return code;
}
