/* SPDX-License-Identifier: ISC */
/*
 * What a client sends, any bytes, cut anywhere: the answers and what is stored are the same as for the bytes in one
 * piece, and no more messages are stored than there are true ends. The first byte says how long the pieces are.
 */
#include "tests/unit/smtpd/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
count_ends(struct str s)
{
	size_t n = 0, i;

	for (i = 0; i + 3 <= s.len; i++)
		n += memcmp(s.ptr + i, ".\r\n", 3) == 0;
	return n;
}

static unsigned
converse(struct str said, size_t piece, struct buf *heard)
{
	unsigned stored;

	world_connect(true);
	world_say(said, piece);
	stored = world_committed();
	buf_reset(heard);
	invariant(buf_append_str(heard, buf_str(&world.heard)));
	world_disconnect();
	invariant(session_count() == 0);
	return stored;
}

/* Message ids differ from one conversation to the next: they do not count. */
static void
blank_ids(struct buf *heard)
{
	size_t i, run = 0;

	for (i = 0; i < heard->len; i++) {
		char c = heard->data[heard->head + i];
		run = ascii_is_digit(c) || (c >= 'a' && c <= 'f') ? run + 1 : 0;
		if (run >= 16)
			memset(heard->data + heard->head + i - 15, '0', 16);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct buf whole, pieces;
	static bool made;
	struct str said = { (const char *)data + 1, size - 1 };
	unsigned stored;

	if (size < 2 || size > 4096)
		return 0;
	if (!made) {
		world_make("smtp max-message-size 2000");
		buf_init(&whole, 1 << 24);
		buf_init(&pieces, 1 << 24);
		made = true;
	}
	stored = converse(said, 65536, &whole);
	invariant(stored <= count_ends(said));
	invariant(converse(said, (size_t)data[0] % 16 + 1, &pieces) == stored);
	blank_ids(&whole);
	blank_ids(&pieces);
	if (!str_equal(buf_str(&whole), buf_str(&pieces)))
		fatal("whole: %.*s pieces of %d: %.*s", STR_ARG(buf_str(&whole)), data[0] % 16 + 1,
		    STR_ARG(buf_str(&pieces)));
	transaction_grant(1, 1000000000);
	return 0;
}
