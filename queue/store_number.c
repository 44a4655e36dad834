/* SPDX-License-Identifier: ISC */
/*
 * What a write transaction gathers and writes once at its end: numbers of meta, and how many wait for each
 * destination.
 */
#include <stdlib.h>
#include <string.h>

#include "queue/store_lmdb.h"

enum { COUNTS_FIRST_SIZE = 64 };

const char *const store_number_names[NUMBER_COUNT] = {
#define N(NAME, name) [NUMBER_##NAME] = name,
	STORE_NUMBERS(N)
#undef N
};

_Static_assert(NUMBER_NEXT_DESTINATION == (enum store_number)STORE_META_COUNT, "the first numbers are enum store_meta");

/* --- meta --- */

static enum store_found
read_number(struct store_txn *txn, enum store_number number, uint64_t *out)
{
	struct record_number record;
	struct error err;
	enum store_found found =
	    db_get_record(txn, DB_META, str_of(store_number_names[number]), RECORD_KIND_NUMBER, &record, &err);

	*out = found == STORE_FOUND ? record.value : 0;
	if (found == STORE_BROKEN && txn->writes) /* a number that was lost could be given twice */
		db_give_up(txn, STORE_FAILED, "%s", err.text);
	return found;
}

uint64_t
number_get(struct store_txn *txn, enum store_number number)
{
	uint64_t value;

	if (txn->writes && txn->numbers[number].loaded)
		return txn->numbers[number].value;
	(void)read_number(txn, number, &value);
	if (txn->writes) {
		txn->numbers[number].value = value;
		txn->numbers[number].loaded = true;
	}
	return value;
}

void
number_put(struct store_txn *txn, enum store_number number, uint64_t value)
{
	txn->numbers[number].value = value;
	txn->numbers[number].loaded = true;
	txn->numbers[number].changed = true;
}

void
numbers_flush(struct store_txn *txn)
{
	struct record_number record;
	size_t i;

	for (i = 0; i < NUMBER_COUNT; i++) {
		if (!txn->numbers[i].changed)
			continue;
		record.value = txn->numbers[i].value;
		db_put_record(txn, DB_META, str_of(store_number_names[i]), RECORD_KIND_NUMBER, &record);
	}
}

uint64_t
store_get_meta(struct store_txn *txn, enum store_meta what)
{
	return number_get(txn, (enum store_number)what);
}

void
store_put_meta(struct store_txn *txn, enum store_meta what, uint64_t value)
{
	number_put(txn, (enum store_number)what, value);
}

/* --- counts of destinations --- */

/* Ids are given one after another: the multiplication spreads them. */
static struct store_count *
slot_of(const struct store_counts *c, uint64_t id)
{
	size_t i = (size_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (c->size - 1);

	while (c->slots[i].id != 0 && c->slots[i].id != id)
		i = (i + 1) & (c->size - 1);
	return &c->slots[i];
}

static bool
grow(struct store_counts *c)
{
	struct store_counts bigger = { .size = c->size == 0 ? COUNTS_FIRST_SIZE : 2 * c->size, .used = c->used };
	size_t i;

	bigger.slots = calloc(bigger.size, sizeof(*bigger.slots));
	if (bigger.slots == NULL)
		return false;
	for (i = 0; i < c->size; i++)
		if (c->slots[i].id != 0)
			*slot_of(&bigger, c->slots[i].id) = c->slots[i];
	free(c->slots);
	*c = bigger;
	return true;
}

void
counts_add(struct store_txn *txn, uint64_t destination, int64_t delta)
{
	struct store_counts *c = &txn->counts;
	struct store_count *slot;

	if (destination == 0) {
		db_give_up(txn, STORE_FAILED, "a recipient has no destination");
		return;
	}
	if (2 * c->used >= c->size && !grow(c)) {
		db_give_up(txn, STORE_NO_ROOM, "%s: out of memory", txn->store->dir);
		return;
	}
	slot = slot_of(c, destination);
	if (slot->id == 0) {
		slot->id = destination;
		c->used++;
	}
	slot->delta += delta;
}

int64_t
counts_delta(const struct store_txn *txn, uint64_t destination)
{
	return txn->counts.size > 0 ? slot_of(&txn->counts, destination)->delta : 0;
}

void
counts_forget(struct store_counts *c)
{
	if (c->used > 0)
		memset(c->slots, 0, c->size * sizeof(*c->slots));
	c->used = 0;
}

uint64_t
counts_apply(uint64_t waiting, int64_t delta)
{
	if (delta >= 0)
		return waiting + (uint64_t)delta;
	return waiting > -(uint64_t)delta ? waiting - -(uint64_t)delta : 0;
}

static void
write_count(struct store_txn *txn, const struct store_count *count)
{
	struct record_destination record;
	struct error err;
	struct key k;

	key_destination(&k, count->id);
	switch (db_get_record(txn, DB_DESTINATION, key_str(&k), RECORD_KIND_DESTINATION, &record, &err)) {
	case STORE_FOUND:
		record.waiting = counts_apply(record.waiting, count->delta);
		db_put_record(txn, DB_DESTINATION, key_str(&k), RECORD_KIND_DESTINATION, &record);
		return;
	case STORE_NONE:
		db_give_up(txn, STORE_FAILED, "%s: a recipient's destination %llu does not exist", txn->store->dir,
		    (unsigned long long)count->id);
		return;
	case STORE_BROKEN: db_give_up(txn, STORE_FAILED, "%s", err.text); return;
	}
}

void
counts_flush(struct store_txn *txn)
{
	size_t i;

	for (i = 0; i < txn->counts.size && txn->failure == STORE_OK; i++)
		if (txn->counts.slots[i].delta != 0)
			write_count(txn, &txn->counts.slots[i]);
}
