/* SPDX-License-Identifier: ISC */
/*
 * The journal of the store: opened with it, and what it holds that the trees do not have is taken over before anybody
 * can look.
 */
#include <sys/statvfs.h>

#include "common/log.h"
#include "queue/store_lmdb.h"

struct takeover {
	struct store *store;
	store_replay_fn *replay;
	struct store_txn *txn; /* NULL: none has begun */
	uint64_t last;
	uint64_t taken;
	size_t bytes; /* in this transaction */
	enum store_failure failure;
};

static bool
end_part(struct takeover *t, struct error *err)
{
	struct store_txn *txn = t->txn;

	if (txn == NULL)
		return true;
	t->txn = NULL;
	t->bytes = 0;
	store_put_meta(txn, STORE_META_JOURNAL, t->last);
	return store_commit(txn, &t->failure, err);
}

static bool
take(void *arg, uint64_t number, struct str entry, struct error *err)
{
	struct takeover *t = arg;
	bool understood;

	if (t->txn == NULL) {
		(void)store_prepare(t->store, JOURNAL_TAKEOVER_BYTES);
		if ((t->txn = store_begin(t->store, err)) == NULL)
			return false;
	}
	understood = t->replay(t->txn, entry);
	if (store_failed(t->txn) != STORE_OK)
		return end_part(t, err); /* which says why */
	if (!understood)
		log_error("journal-damaged", log_text(LOG_FIELD_file, t->store->dir), log_u64(LOG_FIELD_count, 1),
		    log_text(LOG_FIELD_error, "an entry cannot be understood"));
	t->last = number;
	t->taken++;
	t->bytes += entry.len;
	return t->bytes < JOURNAL_TAKEOVER_BYTES || end_part(t, err);
}

/* False with err set, and *no_room saying whether it could be done another time. */
static bool
take_over(struct store *s, store_replay_fn *replay, uint64_t *last, bool *no_room, struct error *err)
{
	struct takeover t = { .store = s, .replay = replay };
	struct store_txn *txn = store_read(s, err);

	*no_room = false;
	if (txn == NULL)
		return false;
	t.last = store_get_meta(txn, STORE_META_JOURNAL);
	store_read_end(txn);
	if (!journal_read(s->journal, t.last, take, &t, err) || !end_part(&t, err)) {
		if (t.txn != NULL)
			store_abort(t.txn);
		*no_room = t.failure == STORE_NO_ROOM;
		return false;
	}
	if (t.taken > 0)
		log_notice("journal-taken-over", log_u64(LOG_FIELD_count, t.taken));
	*last = t.last;
	return true;
}

static uint64_t
half_for(const struct store *s)
{
	struct statvfs fs;
	uint64_t half = 0;

	if (fstatvfs(s->dir_fd, &fs) == 0)
		half = (uint64_t)fs.f_blocks * fs.f_frsize / JOURNAL_SHARE;
	if (half > JOURNAL_HALF_BYTES)
		half = JOURNAL_HALF_BYTES;
	return half < JOURNAL_HALF_LEAST ? JOURNAL_HALF_LEAST : half;
}

static bool
go_without(struct store *s, const struct error *why)
{
	log_warning("no-journal", log_text(LOG_FIELD_error, why->text));
	journal_close(s->journal);
	s->journal = NULL;
	return true;
}

/*
 * Without room for it all goes through the trees, which is slower and as safe. Without room in the trees for what it
 * holds, that is left to another start: deliveries make room, and for those the queue has to run.
 */
bool
store_journal_open(struct store *s, store_replay_fn *replay, struct error *err)
{
	struct error why;
	uint64_t last;
	bool no_room;

	s->journal = journal_open(s->dir_fd, s->dir, s->number, half_for(s), err);
	if (s->journal == NULL)
		return false;
	if (!take_over(s, replay, &last, &no_room, err))
		return no_room && go_without(s, err);
	return journal_start(s->journal, last, &why) || go_without(s, &why);
}

struct journal *
store_journal(const struct store *s)
{
	return s->journal;
}
