/* SPDX-License-Identifier: ISC */
#include "tests/simulate/model.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/arrival.h"
#include "queue/bounce.h"
#include "queue/store.h"

enum { LETTERS_MAX = 8192, ABOUT_MAX = 16, BODY_BYTES_MAX = 600000, HISTORY_MAX = 16384 };

/* What a report says of a recipient. */
enum { REPORTS = BOUNCE_RELAYED + 1 };

struct addressee {
	enum record_event end; /* at the beginning; 0: none yet */
	bool tried, down, delivered, failed;
};

struct letter {
	uint64_t id;
	uint32_t number; /* of the letter, where it is not a report */
	uint32_t rcpts;
	uint32_t size;
	unsigned notify; /* of all its recipients */
	bool report;
	bool null_sender, told, refused, absent, route_failed, remove, removed;
	struct addressee to[MODEL_RCPTS_MAX];
	size_t about_count; /* of a report: whom it tells of */
	struct {
		uint32_t letter, rcpt;
		enum bounce_action action;
	} about[ABOUT_MAX];
};

/* What was found of a letter in an image. */
struct seen {
	bool there; /* the message, or its acceptance in history */
	uint8_t queued[MODEL_RCPTS_MAX];
	uint8_t ended[MODEL_RCPTS_MAX];
	uint8_t event[MODEL_RCPTS_MAX];
	uint8_t reports[REPORTS][MODEL_RCPTS_MAX];
};

enum { COUNTED = 5 };

static const enum store_meta counted[COUNTED] = { STORE_META_ACCEPTED, STORE_META_DELIVERED, STORE_META_DEFERRED,
	STORE_META_BOUNCED, STORE_META_REMOVED };

struct finding {
	char *why;
	bool wrong;
};

static struct {
	struct letter letters[LETTERS_MAX];
	struct seen seen[LETTERS_MAX];
	size_t count;
	uint32_t sent;               /* without reports */
	uint32_t place[LETTERS_MAX]; /* of a letter, by its number */
	/* at the beginning of this run */
	uint64_t history_us[HISTORY_MAX]; /* times of its history, all different, in their order */
	size_t history_count;
	uint64_t meta[COUNTED];
} model;

void
model_init(void)
{
	memset(&model, 0, sizeof(model));
}

/* --- names --- */

uint32_t
model_destination(uint32_t letter, uint32_t rcpt)
{
	return (letter * 3 + rcpt / 2) % MODEL_DESTINATIONS;
}

void
model_address(char out[64], uint32_t letter, uint32_t rcpt)
{
	(void)snprintf(
	    out, 64, "m%" PRIu32 "-%" PRIu32 "@d%" PRIu32 ".example", letter, rcpt, model_destination(letter, rcpt));
}

void
model_sender(char out[64], uint32_t letter)
{
	(void)snprintf(out, 64, "s%" PRIu32 "@near.example", letter);
}

static bool
parse_number(const char **at, const char *end, uint32_t *out)
{
	const char *from = *at;

	for (*out = 0; *at < end && **at >= '0' && **at <= '9'; ++*at)
		*out = *out * 10 + (uint32_t)(**at - '0');
	return *at > from;
}

bool
model_parse_address(const char *text, size_t len, uint32_t *letter, uint32_t *rcpt)
{
	const char *at = text, *end = text + len;

	if (len == 0 || *at++ != 'm' || !parse_number(&at, end, letter) || at == end || *at++ != '-')
		return false;
	return parse_number(&at, end, rcpt) && *rcpt < MODEL_RCPTS_MAX;
}

/* --- what was said --- */

static struct letter *
find(uint64_t id)
{
	size_t i;

	for (i = model.count; i-- > 0;)
		if (model.letters[i].id == id)
			return &model.letters[i];
	return NULL;
}

static struct letter *
add(uint64_t id)
{
	struct letter *l = find(id);

	if (l != NULL)
		return l;
	if (model.count == LETTERS_MAX)
		abort();
	l = &model.letters[model.count++];
	memset(l, 0, sizeof(*l));
	l->id = id;
	return l;
}

static void
add_report(const struct tape_entry *e)
{
	struct letter *l = add(e->id);
	size_t i;

	l->report = true;
	l->rcpts = 1;
	for (i = 0; i < l->about_count; i++)
		if (l->about[i].letter == e->letter && l->about[i].rcpt == e->rcpt)
			return; /* composed again, for a transaction that was begun anew */
	if (l->about_count == ABOUT_MAX)
		abort();
	l->about[i].letter = e->letter;
	l->about[i].rcpt = e->rcpt;
	l->about[i].action = (enum bounce_action)e->number;
	l->about_count++;
}

static void
add_letter(const struct tape_entry *e)
{
	struct letter *l = add(e->id);

	l->number = e->letter;
	l->rcpts = e->rcpt;
	l->size = e->number;
	l->null_sender = e->null_sender;
	l->notify = e->notify;
	model.place[e->letter] = (uint32_t)(l - model.letters);
	if (model.sent <= e->letter) /* a large one ends behind those that began later */
		model.sent = e->letter + 1;
}

static void
say(struct addressee *a, enum proto_result result)
{
	a->delivered = a->delivered || result == PROTO_RESULT_DELIVERED;
	a->failed = a->failed || result == PROTO_RESULT_FAILED;
}

static void
say_down(uint32_t destination)
{
	struct letter *l;
	uint32_t i;

	for (l = model.letters; l < model.letters + model.count; l++)
		for (i = 0; i < l->rcpts; i++)
			l->to[i].down = l->to[i].down || l->report || model_destination(l->number, i) == destination;
}

void
model_follow(const struct tape_entry *e)
{
	struct letter *l = e->kind >= TAPE_SENT ? find(e->id) : NULL;

	switch ((enum tape_kind)e->kind) {
	case TAPE_SENT: add_letter(e); break;
	case TAPE_REPORT: add_report(e); break;
	case TAPE_DOWN: say_down(e->number); break;
	case TAPE_TOLD:
		if (l != NULL)
			l->told = true;
		break;
	case TAPE_REFUSED:
		if (l != NULL)
			l->refused = true;
		break;
	case TAPE_TRIED:
		if (l != NULL)
			l->to[l->report ? 0 : e->rcpt].tried = true;
		break;
	case TAPE_SAID:
		if (l != NULL)
			say(&l->to[l->report ? 0 : e->rcpt], (enum proto_result)e->number);
		break;
	case TAPE_ROUTE_FAILED:
		if (l != NULL)
			l->route_failed = true;
		break;
	case TAPE_REMOVE:
		if (l != NULL)
			l->remove = true;
		break;
	case TAPE_REMOVED:
		if (l != NULL)
			l->removed = true;
		break;
	default: break;
	}
}

uint32_t
model_letters(void)
{
	return model.sent;
}

/* --- the judge: what is there --- */

static bool wrong(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool
wrong(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	if (!f->wrong) {
		va_start(ap, fmt);
		(void)vsnprintf(f->why, MODEL_WHY_MAX, fmt, ap);
		va_end(ap);
	}
	f->wrong = true;
	return false;
}

static void
hear_check(void *arg, const char *text)
{
	wrong(arg, "store_check: %s", text);
}

static struct seen *
seen_of(const struct letter *l)
{
	return &model.seen[l - model.letters];
}

static void
see_rcpt(struct finding *f, const struct letter *l, uint32_t number, const struct record_recipient *record)
{
	char address[64];
	uint32_t place = l->report ? 0 : number;

	if (place >= l->rcpts) {
		wrong(f, "message %016" PRIx64 " has a recipient %" PRIu32 ", of %" PRIu32, l->id, number, l->rcpts);
		return;
	}
	if (!l->report) {
		model_address(address, l->number, number);
		if (!str_equal(record->forward_path, str_of(address)))
			wrong(f, "recipient %s is <%.*s>", address, STR_ARG(record->forward_path));
	}
	seen_of(l)->queued[place]++;
}

/* Whether a report names those it is about: its text, not only our record of it. */
static void
read_report(struct finding *f, struct store_txn *txn, const struct letter *l, uint64_t size)
{
	static char body[BODY_BYTES_MAX];
	char address[64];
	struct error err;
	struct str piece;
	size_t at = 0, i;

	for (i = 0; at < size && at + RECORD_PIECE_DATA < sizeof(body); i++) {
		if (store_get_piece(txn, l->id, (uint32_t)i, &piece, &err) != STORE_FOUND) {
			wrong(f, "report %016" PRIx64 ": %s", l->id, err.text);
			return;
		}
		memcpy(body + at, piece.ptr, piece.len);
		at += piece.len;
	}
	for (i = 0; i < l->about_count; i++) {
		model_address(address, l->about[i].letter, l->about[i].rcpt);
		if (memmem(body, at, address, strlen(address)) == NULL)
			wrong(f, "report %016" PRIx64 " does not name %s", l->id, address);
	}
}

static void
see_messages(struct finding *f, struct store_txn *txn)
{
	struct record_message message;
	struct record_recipient rcpt;
	struct error err;
	uint64_t id = 0;
	uint32_t from, number;
	struct letter *l;

	while (!f->wrong && store_next_message(txn, id, &id, &message, &err) == STORE_FOUND) {
		l = find(id);
		if (l == NULL) {
			wrong(f, "message %016" PRIx64 " was sent by nobody", id);
			return;
		}
		seen_of(l)->there = true;
		if (l->report)
			read_report(f, txn, l, message.size);
		else if (message.size != l->size)
			wrong(f, "letter %" PRIu32 " has %" PRIu64 " bytes, of %" PRIu32, l->number, message.size,
			    l->size);
		for (from = 0; store_next_recipient(txn, id, from, &number, &rcpt, &err) == STORE_FOUND;
		     from = number + 1)
			see_rcpt(f, l, number, &rcpt);
	}
}

static bool
is_end(enum record_event event)
{
	return event == EVENT_DELIVERED || event == EVENT_BOUNCED || event == EVENT_EXPIRED || event == EVENT_REMOVED ||
	    event == EVENT_RELAYED;
}

static void
see_event(struct finding *f, uint64_t message, uint32_t number, enum record_event event)
{
	struct letter *l = find(message);
	uint32_t place;

	if (l == NULL) {
		wrong(f, "history tells of message %016" PRIx64 ", which was sent by nobody", message);
		return;
	}
	place = l->report ? 0 : number;
	if (place >= l->rcpts) {
		wrong(f, "history tells of recipient %" PRIu32 " of message %016" PRIx64, number, message);
		return;
	}
	seen_of(l)->there = true;
	if (!is_end(event))
		return;
	seen_of(l)->ended[place]++;
	seen_of(l)->event[place] = (uint8_t)event;
}

/* In which counter of the store an event is counted; COUNTED: in none. */
static size_t
counter_of(enum record_event event, const struct record_history *h)
{
	switch (event) {
	case EVENT_ACCEPTED: return str_equal(h->origin, S("dsn")) ? COUNTED : 0;
	case EVENT_DELIVERED:
	case EVENT_RELAYED: return 1;
	case EVENT_DEFERRED: return 2;
	case EVENT_BOUNCED:
	case EVENT_EXPIRED: return 3;
	case EVENT_REMOVED: return 4;
	case EVENT_DELAYED:
	case EVENT_REJECTED:
	case EVENT_NONE:
	case RECORD_EVENT_COUNT: break;
	}
	return COUNTED;
}

static int
compare_times(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static bool
was_there(uint64_t time_us)
{
	return bsearch(&time_us, model.history_us, model.history_count, sizeof(time_us), compare_times) != NULL;
}

/* What came since the beginning of the run; where the calendar was set back it does not stand behind the rest. */
static void
see_history(struct finding *f, struct store_txn *txn, uint64_t counts[COUNTED + 1])
{
	struct record_history record;
	enum record_event event;
	struct error err;
	uint64_t after = 0, message;
	uint32_t number;

	while (!f->wrong &&
	    store_next_history(txn, after, &after, &message, &number, &event, &record, &err) == STORE_FOUND) {
		if (was_there(after))
			continue;
		counts[counter_of(event, &record)]++;
		see_event(f, message, number, event);
	}
}

static void
settle_history(struct store_txn *txn)
{
	struct record_history record;
	enum record_event event;
	struct error err;
	uint64_t after = 0, message;
	uint32_t number;

	model.history_count = 0;
	while (store_next_history(txn, after, &after, &message, &number, &event, &record, &err) == STORE_FOUND) {
		if (model.history_count == HISTORY_MAX)
			abort();
		model.history_us[model.history_count++] = after;
	}
}

/* --- the judge: what ought to be --- */

static void
count_reports(void)
{
	const struct letter *l, *about;
	const struct seen *seen;
	size_t i;

	for (l = model.letters; l < model.letters + model.count; l++) {
		seen = seen_of(l);
		if (!l->report || !(seen->there || l->to[0].end != 0))
			continue;
		for (i = 0; i < l->about_count; i++) {
			about = &model.letters[model.place[l->about[i].letter]];
			seen_of(about)->reports[l->about[i].action][l->about[i].rcpt]++;
		}
	}
}

static enum record_event
end_of(const struct letter *l, uint32_t i)
{
	return l->to[i].end != 0 ? l->to[i].end : (enum record_event)seen_of(l)->event[i];
}

static const char *
name_of(const struct letter *l, uint32_t i)
{
	static char name[96];

	if (l->report)
		(void)snprintf(name, sizeof(name), "the DSN %016" PRIx64, l->id);
	else
		model_address(name, l->number, i);
	return name;
}

/* One DSN of a failure, and of a delivery where that was asked for; of a delay at most one for each interval. */
static void
judge_reports(struct finding *f, const struct letter *l, uint32_t i, enum record_event end)
{
	const struct seen *seen = seen_of(l);
	bool hears = !l->null_sender && !l->report;
	bool failed = end == EVENT_BOUNCED || end == EVENT_EXPIRED;
	unsigned wanted[REPORTS] = {
		[BOUNCE_FAILED] = hears && failed && (l->notify == 0 || (l->notify & PROTO_NOTIFY_FAILURE) != 0),
		[BOUNCE_RELAYED] = hears && end == EVENT_RELAYED,
	};
	size_t action;

	for (action = 0; action < REPORTS; action++) {
		if (action == BOUNCE_DELAYED ? seen->reports[action][i] <= hears * MODEL_WARNINGS
					     : seen->reports[action][i] == wanted[action])
			continue;
		wrong(f, "%s %s, and has %u DSNs of kind %zu, of %u", name_of(l, i), end != 0 ? "has ended" : "waits",
		    seen->reports[action][i], action, wanted[action]);
	}
}

static void
judge_end(struct finding *f, const struct letter *l, uint32_t i)
{
	const struct addressee *a = &l->to[i];
	enum record_event end = end_of(l, i);

	if ((end == EVENT_DELIVERED || end == EVENT_RELAYED) && !a->delivered)
		wrong(f, "%s is delivered, and nobody said so", name_of(l, i));
	else if (end == EVENT_BOUNCED && !a->failed && !l->route_failed)
		wrong(f, "%s has failed, and nobody said so", name_of(l, i));
	else if (end == EVENT_EXPIRED && !a->tried && !a->down)
		wrong(f, "%s has expired, and was never tried", name_of(l, i));
	else if (end == EVENT_REMOVED && !l->remove)
		wrong(f, "%s is removed, and nobody wanted it", name_of(l, i));
	else
		judge_reports(f, l, i, end);
}

static void
judge_rcpt(struct finding *f, const struct letter *l, uint32_t i)
{
	const struct seen *seen = seen_of(l);
	unsigned ends = seen->ended[i] + (l->to[i].end != 0);

	if (ends > 1)
		wrong(f, "%s has come to %u ends", name_of(l, i), ends);
	else if (ends + seen->queued[i] > 1)
		wrong(f, "%s has come to an end, and waits", name_of(l, i));
	else if (ends + seen->queued[i] == 0 && l->told)
		wrong(f, "%s was acknowledged, and is not there", name_of(l, i));
	else if (ends + seen->queued[i] == 0 && seen->there)
		wrong(f, "%s is missing in its message", name_of(l, i));
	else if (l->removed && seen->queued[i] > 0)
		wrong(f, "%s was removed, and waits", name_of(l, i));
	else if (seen->there && (l->refused || l->absent))
		wrong(f, "%s was %s, and is there", name_of(l, i), l->refused ? "refused" : "not there before");
	else
		judge_end(f, l, i);
}

static void
judge_letters(struct finding *f)
{
	const struct letter *l;
	uint32_t i;

	count_reports();
	for (l = model.letters; l < model.letters + model.count && !f->wrong; l++)
		for (i = 0; i < l->rcpts; i++)
			judge_rcpt(f, l, i);
}

static void
judge_counters(struct finding *f, struct store_txn *txn, const uint64_t counts[COUNTED + 1], bool settle)
{
	uint64_t value;
	size_t i;

	for (i = 0; i < COUNTED; i++) {
		value = store_get_meta(txn, counted[i]);
		if (value != model.meta[i] + counts[i])
			wrong(f, "counter %zu is %" PRIu64 ", and history has %" PRIu64 " more than %" PRIu64, i, value,
			    counts[i], model.meta[i]);
		if (settle)
			model.meta[i] = value;
	}
}

static void
settle_letters(void)
{
	struct letter *l;
	uint32_t i;

	for (l = model.letters; l < model.letters + model.count; l++) {
		const struct seen *seen = seen_of(l);
		bool known = seen->there || l->to[0].end != 0;
		for (i = 0; i < l->rcpts; i++)
			l->to[i].end = end_of(l, i);
		l->absent = !known;
	}
}

bool
model_judge(const char *dir, bool settle, char why[MODEL_WHY_MAX])
{
	const struct store_options options = {
		.size_max = MODEL_STORE_BYTES, .replay = arrival_replay, .name = "the spool"
	};
	struct finding f = { .why = why };
	uint64_t counts[COUNTED + 1] = { 0 };
	struct store_txn *txn;
	struct store *store;
	struct error err;

	store = store_open(dir, &options, &err);
	if (store == NULL)
		return wrong(&f, "it cannot be opened: %s", err.text);
	txn = store_read(store, &err);
	if (txn == NULL) {
		store_close(store);
		return wrong(&f, "it cannot be read: %s", err.text);
	}
	memset(model.seen, 0, model.count * sizeof(model.seen[0]));
	(void)store_check(txn, hear_check, &f);
	see_messages(&f, txn);
	see_history(&f, txn, counts);
	judge_letters(&f);
	judge_counters(&f, txn, counts, settle && !f.wrong);
	if (settle && !f.wrong) {
		settle_letters();
		settle_history(txn);
	}
	store_read_end(txn);
	store_close(store);
	return !f.wrong;
}

/* --- what came of it --- */

enum { END_WAITS, END_DELIVERED, END_FAILED, END_EXPIRED, END_REMOVED, END_RELAYED, END_DELAY_TOLD };

const char *const model_end_names[MODEL_ENDS] = { [END_WAITS] = "not yet",
	[END_DELIVERED] = "delivered",
	[END_FAILED] = "failed",
	[END_EXPIRED] = "expired",
	[END_REMOVED] = "removed",
	[END_RELAYED] = "relayed and told so",
	[END_DELAY_TOLD] = "told of a delay" };

static size_t
end_index(enum record_event event)
{
	switch (event) {
	case EVENT_DELIVERED: return END_DELIVERED;
	case EVENT_BOUNCED: return END_FAILED;
	case EVENT_EXPIRED: return END_EXPIRED;
	case EVENT_REMOVED: return END_REMOVED;
	case EVENT_RELAYED: return END_RELAYED;
	case EVENT_ACCEPTED:
	case EVENT_DEFERRED:
	case EVENT_DELAYED:
	case EVENT_REJECTED:
	case EVENT_NONE:
	case RECORD_EVENT_COUNT: break;
	}
	return END_WAITS;
}

void
model_count(struct model_ends *ends)
{
	const struct letter *l;
	uint32_t i;

	for (l = model.letters; l < model.letters + model.count; l++) {
		for (i = 0; i < l->rcpts; i++) {
			ends->count[end_index(l->to[i].end)]++;
			ends->count[END_DELAY_TOLD] += seen_of(l)->reports[BOUNCE_DELAYED][i];
		}
	}
}
