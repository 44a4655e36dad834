/* SPDX-License-Identifier: ISC */
#include "ctl/destinations.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "ctl/answer.h"
#include "ctl/format.h"
#include "ctl/json.h"
#include "ctl/limits.h"

enum { NUMBER_MAX = 32, NAME_COLUMN = 40, SECONDS_MAX = 366 * 86400 };

/* What is known of one destination, with its own copy of the texts. */
struct row {
	struct msg_destination_entry entry;
	uint64_t ages[PROTO_AGES];
	uint64_t total;
	char *texts;
};

struct rows {
	struct row *list;
	size_t count;
	size_t room;
	uint64_t left_out; /* over the limit */
};

static int64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const char *
state_name(unsigned state)
{
	static const char *const names[] = {
		[PROTO_DESTINATION_IDLE] = "idle",
		[PROTO_DESTINATION_WAITING] = "waiting",
		[PROTO_DESTINATION_ACTIVE] = "active",
		[PROTO_DESTINATION_LIMITED] = "limited",
		[PROTO_DESTINATION_DOWN] = "down",
		[PROTO_DESTINATION_PAUSED] = "paused",
		[PROTO_DESTINATION_SUSPENDED] = "suspended",
		[PROTO_DESTINATION_HELD] = "held",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

static const char *
cause_name(unsigned cause)
{
	return cause == PROTO_CAUSE_NONE ? "-" : proto_cause_word(cause);
}

static const char *
kind_name(unsigned kind)
{
	static const char *const names[] = { [PROTO_DELIVERY_RELAY] = "relay", [PROTO_DELIVERY_LOCAL] = "local" };

	return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "notification";
}

/* --- rows --- */

static struct str
keep(char **at, struct str text)
{
	struct str kept = { *at, text.len };

	if (text.len > 0)
		memcpy(*at, text.ptr, text.len);
	*at += text.len;
	return kept;
}

/* NULL when the limit is reached. */
static struct row *
add_row(struct rows *rows, const struct msg_destination_entry *entry)
{
	struct row *row;
	char *at;

	if (rows->count == CTL_DESTINATIONS_MAX) {
		rows->left_out++;
		return NULL;
	}
	if (rows->count == rows->room) {
		rows->room = rows->room == 0 ? CTL_PAGE : 2 * rows->room;
		rows->list = reallocarray(rows->list, rows->room, sizeof(*rows->list));
		if (rows->list == NULL)
			fatal("out of memory");
	}
	row = &rows->list[rows->count++];
	*row = (struct row){ .entry = *entry, .total = entry->waiting };
	row->texts = at = malloc(entry->name.len + entry->rate.len + entry->site.len + entry->text.len + 1);
	if (at == NULL)
		fatal("out of memory");
	row->entry.name = keep(&at, entry->name);
	row->entry.rate = keep(&at, entry->rate);
	row->entry.site = keep(&at, entry->site);
	row->entry.text = keep(&at, entry->text);
	return row;
}

static void
free_rows(struct rows *rows)
{
	size_t i;

	for (i = 0; i < rows->count; i++)
		free(rows->list[i].texts);
	free(rows->list);
}

static int
compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->total != y->total)
		return x->total < y->total ? 1 : -1;
	return (x->entry.destination > y->entry.destination) - (x->entry.destination < y->entry.destination);
}

static void
sort_rows(struct rows *rows)
{
	if (rows->count > 0)
		qsort(rows->list, rows->count, sizeof(rows->list[0]), compare_rows);
}

static bool
get_entries(struct wire *w, const struct options *options, uint64_t waiting, struct rows *rows, struct error *err)
{
	struct msg_destination_list ask = { .limit = CTL_PAGE, .waiting = waiting, .down = options->down };
	union proto_message msg;
	enum proto_type type;
	uint64_t count;

	do {
		if (!wire_ask(w, PROTO_DESTINATION_LIST_TYPE, &ask, err))
			return false;
		for (count = 0;; count++) {
			if (!wire_next(w, &type, &msg, err))
				return false;
			if (type != PROTO_DESTINATION_ENTRY_TYPE)
				break;
			(void)add_row(rows, &msg.destination_entry);
			ask.after = msg.destination_entry.destination;
		}
	} while (count == ask.limit);
	return true;
}

/* A destination can come in parts. */
static void
add_ages(struct rows *rows, const struct msg_destination_age *age)
{
	const struct msg_destination_entry entry = {
		.destination = age->destination, .kind = age->kind, .name = age->name
	};
	struct row *row = rows->count == 0 ? NULL : &rows->list[rows->count - 1];
	uint64_t counts[PROTO_AGES] = { 0 };
	size_t i;

	if (age->counts.len == sizeof(counts))
		memcpy(counts, age->counts.ptr, sizeof(counts));
	if (row == NULL || row->entry.destination != age->destination)
		row = add_row(rows, &entry);
	for (i = 0; row != NULL && i < PROTO_AGES; i++) {
		row->ages[i] += counts[i];
		row->total += counts[i];
	}
}

static bool
get_ages(struct wire *w, struct rows *rows, struct error *err)
{
	struct msg_destination_ages ask = { 0 };
	union proto_message msg;
	enum proto_type type;
	uint64_t count;

	do {
		if (!wire_ask(w, PROTO_DESTINATION_AGES_TYPE, &ask, err))
			return false;
		for (count = 0;; count++) {
			if (!wire_next(w, &type, &msg, err))
				return false;
			if (type != PROTO_DESTINATION_AGE_TYPE)
				break;
			add_ages(rows, &msg.destination_age);
			ask = (struct msg_destination_ages){ msg.destination_age.destination,
				msg.destination_age.due_us, msg.destination_age.message, msg.destination_age.number };
		}
	} while (count > 0);
	return true;
}

/* --- on paper --- */

static void
column(const char *text, size_t width)
{
	format_column(stdout, str_of(text), width);
	(void)fputs("  ", stdout);
}

static void
number_column(uint64_t number, int width)
{
	(void)printf("%*" PRIu64 "  ", width, number);
}

static void
print_entry(const struct row *row, int64_t now)
{
	const struct msg_destination_entry *e = &row->entry;
	char text[FORMAT_DISTANCE_MAX], jobs[NUMBER_MAX * 2];

	format_column(stdout, e->name, NAME_COLUMN);
	(void)fputs("  ", stdout);
	column(kind_name((unsigned)e->kind), 12);
	number_column(e->waiting, 7);
	(void)snprintf(jobs, sizeof(jobs), "%" PRIu64 "/%" PRIu64, e->running, e->window);
	column(jobs, 7);
	column(state_name((unsigned)e->state), 9);
	column(cause_name((unsigned)e->cause), 11);
	column(e->next_ms == 0 ? "-" : format_distance((int64_t)e->next_ms - now, text), 8);
	(void)printf("%" PRIu64, e->failures);
	if (e->rate.len > 0) {
		(void)fputs("  ", stdout);
		(void)format_put(stdout, e->rate);
	}
	if (e->text.len > 0) {
		(void)fputs("  ", stdout);
		(void)format_put(stdout, e->text);
	}
	(void)putchar('\n');
}

static void
print_entries(const struct rows *rows)
{
	int64_t now = now_ms();
	size_t i;

	if (rows->count > 0)
		(void)printf("%-*s  %-12s  %7s  %-7s  %-9s  %-11s  %-8s  %s\n", NAME_COLUMN, "destination", "kind",
		    "waiting", "running", "state", "cause", "next", "failures, rate, last failure");
	for (i = 0; i < rows->count; i++)
		print_entry(&rows->list[i], now);
}

static void
json_entries(struct json *j, const struct rows *rows)
{
	size_t i;

	for (i = 0; i < rows->count; i++) {
		const struct msg_destination_entry *e = &rows->list[i].entry;
		json_begin_object(j, NULL);
		json_str(j, "name", e->name);
		json_text(j, "kind", kind_name((unsigned)e->kind));
		json_u64(j, "waiting", e->waiting);
		json_u64(j, "running", e->running);
		json_u64(j, "window", e->window);
		json_text(j, "state", state_name((unsigned)e->state));
		if (e->cause != PROTO_CAUSE_NONE)
			json_text(j, "cause", cause_name((unsigned)e->cause));
		if (e->next_ms != 0)
			json_u64(j, "next_ms", e->next_ms);
		json_u64(j, "failures", e->failures);
		if (e->rate.len > 0)
			json_str(j, "rate", e->rate);
		if (e->site.len > 0)
			json_str(j, "site", e->site);
		if (e->text.len > 0)
			json_str(j, "text", e->text);
		json_end_object(j);
	}
}

static void
print_age_line(const char *name, struct str destination, uint64_t total, const uint64_t *ages)
{
	size_t i;

	format_column(stdout, destination.len > 0 ? destination : str_of(name), NAME_COLUMN);
	(void)printf("  %7" PRIu64, total);
	for (i = 0; i < PROTO_AGES; i++)
		(void)printf(" %6" PRIu64, ages[i]);
	(void)putchar('\n');
}

static const uint64_t age_minutes[PROTO_AGES] = PROTO_AGE_MINUTES;

static void
print_ages(const struct rows *rows)
{
	uint64_t total = 0, sums[PROTO_AGES] = { 0 };
	size_t i, k;

	(void)printf("%-*s  %7s", NAME_COLUMN, "age in minutes, below", "all");
	for (k = 0; k + 1 < PROTO_AGES; k++)
		(void)printf(" %6" PRIu64, age_minutes[k]);
	(void)printf(" %6s\n", "over");
	for (i = 0; i < rows->count; i++) {
		total += rows->list[i].total;
		for (k = 0; k < PROTO_AGES; k++)
			sums[k] += rows->list[i].ages[k];
	}
	print_age_line("all", S(""), total, sums);
	for (i = 0; i < rows->count; i++)
		print_age_line("", rows->list[i].entry.name, rows->list[i].total, rows->list[i].ages);
}

static void
json_ages(struct json *j, const struct rows *rows)
{
	char name[NUMBER_MAX];
	size_t i, k;

	for (i = 0; i < rows->count; i++) {
		const struct row *row = &rows->list[i];
		json_begin_object(j, NULL);
		json_str(j, "name", row->entry.name);
		json_text(j, "kind", kind_name((unsigned)row->entry.kind));
		json_u64(j, "waiting", row->total);
		json_begin_object(j, "below_minutes");
		for (k = 0; k < PROTO_AGES; k++) {
			(void)snprintf(name, sizeof(name), "%" PRIu64, age_minutes[k]);
			json_u64(j, k + 1 < PROTO_AGES ? name : "over", row->ages[k]);
		}
		json_end_object(j);
		json_end_object(j);
	}
}

/* --- commands --- */

static int
end(const struct options *options, struct wire *w, struct rows *rows, void (*print)(const struct rows *rows),
    void (*print_json)(struct json *j, const struct rows *rows))
{
	struct json j;

	sort_rows(rows);
	if (options->json) {
		json_init(&j, stdout);
		json_begin_array(&j, NULL);
		print_json(&j, rows);
		json_end_array(&j);
		json_end_line(&j);
	} else {
		print(rows);
	}
	if (rows->left_out > 0)
		(void)fprintf(stderr, "posternctl: %" PRIu64 " more are not shown\n", rows->left_out);
	free_rows(rows);
	return answer_done(w);
}

static int
list(const struct options *options, uint64_t waiting)
{
	struct wire *w = answer_connect(options);
	struct rows rows = { 0 };
	struct error err;

	if (w == NULL)
		return COMMAND_NOT_RUNNING;
	if (get_entries(w, options, waiting, &rows, &err))
		return end(options, w, &rows, print_entries, json_entries);
	free_rows(&rows);
	return answer_failed(options, w, &err);
}

int
show_destinations(const struct options *options, const char *const *args)
{
	(void)args;
	return list(options, options->waiting);
}

int
show_queue_by(const struct options *options, const char *const *args)
{
	struct rows rows = { 0 };
	struct error err;
	struct wire *w;

	(void)args;
	if (strcmp(options->by, "destination") == 0)
		return list(options, options->waiting > 0 ? options->waiting : 1);
	if (strcmp(options->by, "age") != 0) {
		(void)fprintf(stderr, "posternctl: --by %s: expected age or destination\n", options->by);
		return COMMAND_USAGE;
	}
	w = answer_connect(options);
	if (w == NULL)
		return COMMAND_NOT_RUNNING;
	if (get_ages(w, &rows, &err))
		return end(options, w, &rows, print_ages, json_ages);
	free_rows(&rows);
	return answer_failed(options, w, &err);
}

static int
order(const struct options *options, const char *name, bool suspended, uint64_t for_s)
{
	const struct msg_destination_suspend ask = { .name = str_of(name), .suspended = suspended, .for_s = for_s };
	struct wire *w;
	union proto_message msg;
	struct error err;
	struct json j;

	if (ask.name.len == 0 || ask.name.len > PROTO_DESTINATION_MAX) {
		(void)fputs("posternctl: expected the name of a destination, as show destinations prints it\n", stderr);
		return COMMAND_USAGE;
	}
	w = answer_connect(options);
	if (w == NULL)
		return COMMAND_NOT_RUNNING;
	if (!wire_ask(w, PROTO_DESTINATION_SUSPEND_TYPE, &ask, &err) || !wire_end(w, &msg, &err))
		return answer_failed(options, w, &err);
	if (options->json) {
		json_init(&j, stdout);
		json_begin_object(&j, NULL);
		json_bool(&j, "ok", true);
		json_u64(&j, "count", msg.answer_end.count);
		json_end_object(&j);
		json_end_line(&j);
	} else {
		(void)printf("%" PRIu64 " destination%s %s\n", msg.answer_end.count,
		    format_plural(msg.answer_end.count), suspended ? "suspended" : "resumed");
	}
	return answer_done(w);
}

int
suspend_destination(const struct options *options, const char *const *args)
{
	uint64_t for_s = 0;

	if (args[1] != NULL &&
	    (strcmp(args[1], "for") != 0 || !format_read_span(args[2], SECONDS_MAX, &for_s) || for_s == 0)) {
		(void)fputs("posternctl: expected \"for\" and a time of at most a year, as in \"for 2h\"\n", stderr);
		return COMMAND_USAGE;
	}
	return order(options, args[0], true, for_s);
}

int
resume_destination(const struct options *options, const char *const *args)
{
	return order(options, args[0], false, 0);
}
