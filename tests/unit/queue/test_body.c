/* SPDX-License-Identifier: ISC */
/* Promise: what was appended is read back, from any offset, in any portion; blocks hold whole pieces; memory is counted. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "queue/body.h"

static char
byte_at(size_t i)
{
	return (char)(i * 7 + i / 251);
}

static struct body *
body_of(size_t size, size_t portion, struct str preamble)
{
	struct body *b = body_new();
	char *bytes = malloc(portion);
	size_t done, i;

	assert_non_null(b);
	assert_non_null(bytes);
	for (done = 0; done < size; done += portion) {
		size_t n = size - done < portion ? size - done : portion;
		for (i = 0; i < n; i++)
			bytes[i] = byte_at(done + i);
		assert_true(body_append(b, (struct str){ bytes, n }));
	}
	free(bytes);
	assert_true(body_set_preamble(b, preamble));
	return b;
}

static void
expect_text(const char *row, const struct body *b, struct str preamble, size_t size, size_t portion)
{
	char *out = malloc(portion);
	uint64_t offset = 0;
	size_t n, i;

	assert_non_null(out);
	while ((n = body_copy(b, offset, out, portion)) > 0) {
		for (i = 0; i < n; i++, offset++) {
			char want =
			    offset < preamble.len ? preamble.ptr[offset] : byte_at((size_t)offset - preamble.len);
			if (out[i] != want)
				row_fail(row, "byte %llu differs", (unsigned long long)offset);
		}
	}
	if (offset != preamble.len + size)
		row_fail(row, "%llu bytes, want %zu", (unsigned long long)offset, preamble.len + size);
	free(out);
}

static const struct {
	const char *row;
	size_t size;
	size_t in;
	size_t out;
} texts[] = {
	{ "an empty body", 0, 1, 100 },
	{ "one byte", 1, 1, 1 },
	{ "a small one at once", 4096, 4096, 61440 },
	{ "byte by byte", 5000, 1, 7 },
	{ "a block less one", BODY_BLOCK - 1, 4000, 61440 },
	{ "just a block", BODY_BLOCK, 32768, 61440 },
	{ "a block and one", BODY_BLOCK + 1, 32768, BODY_BLOCK },
	{ "several blocks in portions across them", 5 * BODY_BLOCK + 17, 49152, 10007 },
};

static void
test_text_comes_back(void **state)
{
	static const struct str preamble = STR("Received: from x\r\n");
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct body *b = body_of(texts[i].size, texts[i].in, preamble);
		expect_text(texts[i].row, b, preamble, texts[i].size, texts[i].out);
		if (body_size(b) != texts[i].size || body_text_size(b) != texts[i].size + preamble.len)
			row_fail(texts[i].row, "size %zu", body_size(b));
		body_free(b);
	}
}

static void
test_full_blocks_stay_where_they_are(void **state)
{
	struct body *b = body_of(BODY_BLOCK, 10000, (struct str){ "", 0 });
	struct str first = body_block(b, 0);

	(void)state;
	assert_int_equal(first.len, BODY_BLOCK);
	assert_int_equal(first.len % RECORD_PIECE_DATA, 0);
	assert_true(body_append(b, first));
	assert_true(body_append(b, first));
	assert_ptr_equal(body_block(b, 0).ptr, first.ptr);
	assert_int_equal(body_blocks(b), 3);
	assert_true(body_is_whole(b));
	body_drop_block(b, 0);
	assert_false(body_is_whole(b));
	body_free(b);
}

static void
test_memory_is_counted_and_given_back(void **state)
{
	struct body *a = body_of(4000, 4000, (struct str){ "", 0 });
	struct body *b = body_of(4000, 4000, (struct str){ "", 0 });

	(void)state;
	body_set_memory(6000);
	assert_true(body_keep(a));
	assert_true(body_keep(a));
	assert_true(body_kept_bytes() >= 4000 && body_kept_bytes() < 6000);
	assert_false(body_keep(b));
	body_free(a);
	assert_int_equal(body_kept_bytes(), 0);
	assert_true(body_keep(b));
	body_free(b);
	assert_int_equal(body_kept_bytes(), 0);
	body_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_comes_back),
		cmocka_unit_test(test_full_blocks_stay_where_they_are),
		cmocka_unit_test(test_memory_is_counted_and_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
