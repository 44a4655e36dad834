/* SPDX-License-Identifier: ISC */
/*
 * Promise: whatever bit of a store's file is flipped, and wherever the file is cut off, every message that was not hit
 * comes back whole and with its recipients, and none comes back as another.
 */
#include "tests/unit/unit.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "queue/archive.h"
#include "queue/live.h"
#include "queue/salvage.h"
#include "queue/store_lmdb.h"
#include "tests/unit/queue/spool.h"

enum { MAILS = 60, GONE = 60, FLIPS = 2000, SLOTS = 16, SLOT = 2, LOWER = 12 };

/* A third of them has its record on pages of its own. */
static char long_preamble[6000];

static struct mail
mail_of(uint64_t id)
{
	return (struct mail){ id, id * 1733 % 30000, 1 + (uint32_t)(id % 3),
		id % 2 != 0 ? "out/a.example" : "out/b.example" };
}

static void
put(struct store_txn *txn, uint64_t id)
{
	struct mail mail = mail_of(id);
	struct record_message message = mail_message(&mail);

	put_mail(txn, &mail);
	if (id % 3 != 0)
		return;
	message.preamble = (struct str){ long_preamble, sizeof(long_preamble) };
	store_put_message(txn, id, &message);
}

/* Mail that stays among mail that has gone, so that there are free pages with old states. */
static void
build(struct spool *spool)
{
	struct store_txn *txn;
	struct mail mail;
	uint64_t id;

	memset(long_preamble, 'p', sizeof(long_preamble));
	spool_new(spool, 0);
	for (id = 1; id <= MAILS + GONE; id++) {
		txn = begin(spool);
		put(txn, id);
		store_put_meta(txn, STORE_META_NEXT_MESSAGE, MAILS + GONE + 1);
		commit(txn);
	}
	for (id = MAILS + 1; id <= MAILS + GONE; id++) {
		txn = begin(spool);
		mail = mail_of(id);
		delete_mail(txn, &mail);
		commit(txn);
	}
	store_close(spool->store);
	spool->store = NULL;
}

/* --- the file --- */

struct file {
	int fd;
	char *bytes;
	size_t size;
	struct pages pages;
};

static struct file
map(struct spool *spool)
{
	char path[128];
	struct file f;
	struct error err;
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/data.mdb", spool->dir);
	f.fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_not_equal(f.fd, -1);
	assert_int_equal(fstat(f.fd, &st), 0);
	f.size = (size_t)st.st_size;
	f.bytes = mmap(NULL, f.size, PROT_READ | PROT_WRITE, MAP_SHARED, f.fd, 0);
	assert_ptr_not_equal(f.bytes, MAP_FAILED);
	assert_true(pages_open(&f.pages, f.fd, &err));
	return f;
}

/* --- who is where: owners of each byte of the pages that count --- */

enum { NOBODY = 0, ALL_OF_PAGE = 255 };

struct owners {
	uint8_t *of; /* a message's id; ALL_OF_PAGE: whoever has a record on the page */
	size_t used; /* bytes of the file that count */
};

static void
own(struct owners *o, const struct file *f, const char *from, size_t len, uint64_t id)
{
	memset(o->of + (from - f->bytes), (int)id, len);
}

static void
own_node(struct owners *o, const struct file *f, const char *page, size_t i)
{
	struct page_node node;
	struct record_message message;
	uint64_t id;

	assert_true(page_node(&f->pages, page, i, false, &node));
	if (node.is_tree || (node.key.len != KEY_MESSAGE_SIZE && node.key.len != KEY_NUMBERED_SIZE))
		return;
	id = key_u64(node.key, 0);
	if (!node.is_big && node.key.len == KEY_MESSAGE_SIZE &&
	    !record_decode(RECORD_KIND_MESSAGE, node.key, node.value, &message))
		return; /* a destination, or a mark */
	if (id == 0 || id > MAILS)
		return;
	own(o, f, page + SLOTS + i * SLOT, SLOT, id);
	own(o, f, node.key.ptr - 8, 8 + node.key.len + (node.is_big ? 8 : node.value.len), id);
	if (node.is_big)
		own(o, f, f->bytes + node.page * f->pages.size, pages_of_big(&f->pages, node.size) * f->pages.size, id);
}

static struct owners
find_owners(const struct file *f)
{
	struct owners o = { .of = calloc(1, f->size) };
	struct error err;
	struct live live;
	uint64_t i;
	size_t n;

	assert_non_null(o.of);
	assert_true(live_find(&live, &f->pages, &err));
	assert_true(live.whole);
	o.used = (size_t)(live.last + 1) * f->pages.size;
	for (i = 2; i <= live.last; i++) {
		const char *page = f->bytes + i * f->pages.size;
		if (!live_is(&live, i) || page_kind(page) != PAGE_LEAF)
			continue;
		for (n = page_nodes(&f->pages, page); n > 0; n--)
			own_node(&o, f, page, n - 1);
		own(&o, f, page + LOWER, 2, ALL_OF_PAGE);
	}
	live_free(&live);
	return o;
}

/* Whether a change of that byte hits the message. */
static bool
is_hit(const struct owners *o, const struct file *f, size_t at, uint64_t id)
{
	size_t page = at / f->pages.size * f->pages.size, i;

	if (o->of[at] != ALL_OF_PAGE)
		return o->of[at] == id;
	for (i = page; i < page + f->pages.size; i++)
		if (o->of[i] == id)
			return true;
	return false;
}

/* --- what is salvaged --- */

struct result {
	bool there[MAILS + GONE + 1];
	unsigned messages, old;
	int code;
};

static void
expect_body(uint64_t id, uint64_t at, struct str bytes)
{
	size_t i;

	for (i = 0; i < bytes.len; i++)
		if (bytes.ptr[i] != mail_byte(id, at + i))
			fail_msg("message %llu came back with another text", (unsigned long long)id);
}

static void
expect_rcpt(uint64_t id, const struct archive_rcpt *rcpt)
{
	struct record_recipient record;

	assert_true(archive_decode(RECORD_KIND_RECIPIENT, rcpt->record, &record));
	assert_true(str_equal(record.recipient, S("someone@destination.example")));
	assert_true(str_equal(rcpt->destination, str_of(mail_of(id).destination)));
}

static struct result
read_archive(int fd)
{
	struct result r = { .messages = 0 };
	struct archive_reader reader;
	union archive_record record;
	enum archive_kind kind;
	uint64_t id = 0, bytes = 0;
	uint32_t rcpts = 0;
	struct error err;

	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	archive_open(&reader, fd);
	do {
		if (!archive_next(&reader, &kind, &record, &err))
			fail_msg("%s", err.text);
		if (kind == ARCHIVE_KIND_BEGIN) {
			id = record.begin.message;
			bytes = rcpts = 0;
			assert_true(id >= 1 && id <= MAILS + GONE && !r.there[id]);
		} else if (kind == ARCHIVE_KIND_BODY) {
			expect_body(id, bytes, record.body.bytes);
			bytes += record.body.bytes.len;
		} else if (kind == ARCHIVE_KIND_RCPT) {
			expect_rcpt(id, &record.rcpt);
			rcpts++;
		} else if (kind == ARCHIVE_KIND_END && record.end.whole) {
			assert_int_equal(bytes, mail_of(id).size);
			r.there[id] = rcpts == mail_of(id).recipients;
			r.messages++;
			r.old += id > MAILS;
		}
	} while (kind != ARCHIVE_NONE);
	archive_close(&reader);
	return r;
}

static struct result
salvage(const struct file *f)
{
	static int out = -1, quiet = -1;
	const struct offline o = { .spool = "spool", .salvage = true };
	int before = dup(STDOUT_FILENO), before_err = dup(STDERR_FILENO), code;
	struct result r;

	if (out == -1) {
		out = memfd_create("archive", MFD_CLOEXEC);
		quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
	}
	assert_int_equal(ftruncate(out, 0), 0);
	assert_int_equal(lseek(out, 0, SEEK_SET), 0);
	(void)fflush(stdout);
	(void)dup2(out, STDOUT_FILENO);
	(void)dup2(quiet, STDERR_FILENO);
	code = salvage_from(&o, f->fd, NULL);
	(void)dup2(before, STDOUT_FILENO);
	(void)dup2(before_err, STDERR_FILENO);
	(void)close(before);
	(void)close(before_err);
	r = read_archive(out);
	r.code = code;
	return r;
}

/* --- tests --- */

static void
test_all_that_is_whole_comes_back_and_nothing_that_has_gone(void **state)
{
	struct spool spool;
	struct file f;
	struct result r;

	(void)state;
	build(&spool);
	f = map(&spool);
	r = salvage(&f);
	assert_int_equal(r.code, OFFLINE_OK);
	assert_int_equal(r.messages, MAILS);
	assert_int_equal(r.old, 0);
	(void)munmap(f.bytes, f.size);
	(void)close(f.fd);
	spool_remove(spool.dir);
}

static void
expect_others(const struct owners *o, const struct file *f, const struct result *r, size_t at)
{
	uint64_t id;

	for (id = 1; id <= MAILS; id++)
		if (!r->there[id] && !is_hit(o, f, at, id))
			fail_msg("a flip at byte %zu (page %zu, %zu): message %llu was not hit and is lost", at,
			    at / f->pages.size, at % f->pages.size, (unsigned long long)id);
}

/* Half of them in the pages' heads and the two pages that say where the trees begin, where a bit has most to say. */
static size_t
choose(unsigned *seed, const struct owners *o, const struct file *f)
{
	size_t at = (size_t)rand_r(seed) % o->used;

	switch (rand_r(seed) % 4) {
	case 0: return at / f->pages.size * f->pages.size + (size_t)rand_r(seed) % 48;
	case 1: return (size_t)(rand_r(seed) % 2) * f->pages.size + (size_t)rand_r(seed) % 160;
	default: return at;
	}
}

static void
test_a_flipped_bit_costs_no_message_that_it_did_not_hit(void **state)
{
	unsigned seed = (unsigned)time(NULL), all = 0, old = 0;
	struct owners owners;
	struct spool spool;
	struct result r;
	struct file f;
	size_t at;
	int i;

	(void)state;
	print_message("# seed %u\n", seed);
	build(&spool);
	f = map(&spool);
	owners = find_owners(&f);
	for (i = 0; i < FLIPS; i++) {
		const char bit = (char)(1 << rand_r(&seed) % 8);
		at = choose(&seed, &owners, &f);
		f.bytes[at] ^= bit;
		r = salvage(&f);
		expect_others(&owners, &f, &r, at);
		all += r.messages - r.old == MAILS;
		old += r.old;
		f.bytes[at] ^= bit;
	}
	print_message("# %d flips: %u cost nothing, %u messages that had gone came back\n", FLIPS, all, old);
	assert_true(all < FLIPS);
	free(owners.of);
	(void)munmap(f.bytes, f.size);
	(void)close(f.fd);
	spool_remove(spool.dir);
}

static void
test_what_is_before_the_end_of_a_file_that_was_cut_off_comes_back(void **state)
{
	struct owners owners;
	struct spool spool;
	struct result r;
	struct file f;
	size_t end, at;
	uint64_t id;
	bool *lost;

	(void)state;
	build(&spool);
	f = map(&spool);
	owners = find_owners(&f);
	lost = calloc(MAILS + 1, sizeof(*lost));
	assert_non_null(lost);
	for (end = owners.used; end > 2 * f.pages.size; end -= f.pages.size) {
		for (at = end; at < owners.used && at < end + f.pages.size; at++)
			for (id = owners.of[at]; id > 0 && id <= MAILS; id = 0)
				lost[id] = true;
		assert_int_equal(ftruncate(f.fd, (off_t)end), 0);
		r = salvage(&f);
		for (id = 1; id <= MAILS; id++)
			if (!lost[id] && !r.there[id])
				fail_msg("cut off at %zu: message %llu is lost", end, (unsigned long long)id);
	}
	free(lost);
	free(owners.of);
	(void)munmap(f.bytes, f.size);
	(void)close(f.fd);
	spool_remove(spool.dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_that_is_whole_comes_back_and_nothing_that_has_gone),
		cmocka_unit_test(test_a_flipped_bit_costs_no_message_that_it_did_not_hit),
		cmocka_unit_test(test_what_is_before_the_end_of_a_file_that_was_cut_off_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
