/* SPDX-License-Identifier: ISC */
/* Promised: a failed call puts the delivery off with the right status, and texts stay within their size. F04, F05. */
#include "mailbox/outcome.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
test_F05_errors_of_calls_are_temporary(void **state)
{
	static const struct {
		int error;
		unsigned code;
		const char *enhanced;
	} rows[] = {
		{ ENOSPC, 452, "4.3.1" },
		{ EDQUOT, 452, "4.2.2" },
		{ EFBIG, 452, "4.2.2" },
		{ EIO, 451, "4.3.0" },
		{ EACCES, 451, "4.3.0" },
		{ EROFS, 451, "4.3.0" },
	};
	struct outcome o;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		assert_false(outcome_errno(&o, rows[i].error, "cannot %s", "write"));
		assert_int_equal(o.result, PROTO_RESULT_DEFERRED);
		assert_int_equal(o.code, rows[i].code);
		assert_string_equal(o.enhanced, rows[i].enhanced);
		assert_non_null(strstr(o.text, "cannot write: "));
		assert_non_null(strstr(o.text, strerror(rows[i].error)));
	}
}

static void
test_kinds(void **state)
{
	struct outcome o;

	(void)state;
	assert_true(outcome_set(&o, OUTCOME_DELIVERED, "Maildir"));
	assert_string_equal(o.text, "delivered to Maildir");
	assert_false(outcome_set(&o, OUTCOME_LOOP, "a@b"));
	assert_int_equal(o.result, PROTO_RESULT_FAILED);
	assert_string_equal(o.enhanced, "5.4.6");
}

static void
test_texts_are_cut(void **state)
{
	char large[2 * OUTCOME_TEXT_MAX];
	struct outcome o;

	(void)state;
	memset(large, 'x', sizeof(large));
	large[sizeof(large) - 1] = '\0';
	assert_false(outcome_set(&o, OUTCOME_UNSAFE, "%s", large));
	assert_true(strlen(o.text) <= OUTCOME_TEXT_MAX);
	assert_false(outcome_errno(&o, EIO, "%s", large));
	assert_true(strlen(o.text) <= OUTCOME_TEXT_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_F05_errors_of_calls_are_temporary),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_texts_are_cut),
	};

	return cmocka_run_group_tests_name("outcome", tests, NULL, NULL);
}
