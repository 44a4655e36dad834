/* SPDX-License-Identifier: ISC */
/* Promised: what was kept can be read again from any place, what passed by cannot, and nothing is lost or doubled. */
#include "ctl/source.h"

#include <sys/wait.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/limits.h"
#include "tests/unit/unit.h"

/* A pipe that gives size bytes, each the low byte of its place divided by 256. */
static int
pipe_of(size_t size, pid_t *writer)
{
	int ends[2];
	size_t i;

	assert_int_equal(pipe(ends), 0);
	*writer = fork();
	if (*writer == 0) {
		static char block[256];
		(void)close(ends[0]);
		for (i = 0; i < size; i += sizeof(block)) {
			memset(block, (int)(i / 256 & 0xff), sizeof(block));
			if (write(ends[1], block, size - i < sizeof(block) ? size - i : sizeof(block)) == -1)
				break;
		}
		_exit(0);
	}
	(void)close(ends[1]);
	return ends[0];
}

static void
check_all(struct source *s, size_t from, size_t size)
{
	static char piece[5000];
	size_t at = from, got = 1, i;

	while (got > 0) {
		assert_true(source_read(s, piece, sizeof(piece), &got, NULL));
		for (i = 0; i < got; i++)
			if ((unsigned char)piece[i] != ((at + i) / 256 & 0xff))
				fail_msg("byte %zu", at + i);
		at += got;
	}
	assert_int_equal(at, size);
}

static void
run(size_t size, bool again)
{
	struct source s;
	struct error err;
	pid_t writer;
	int fd = pipe_of(size, &writer);

	source_init(&s, fd);
	assert_true(source_fill(&s, &err));
	source_skip(&s, size < 10 ? size : 10);
	check_all(&s, size < 10 ? size : 10, size);
	assert_int_equal(source_rewind(&s, 0), again);
	if (again)
		check_all(&s, 0, size);
	source_clear(&s);
	(void)close(fd);
	assert_int_equal(waitpid(writer, NULL, 0), writer);
}

static void
test_small_inputs_can_be_read_again(void **state)
{
	static const size_t sizes[] = { 0, 1, 10, 70000, SENDMAIL_KEPT_MAX - 1 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		run(sizes[i], true);
}

static void
test_large_inputs_pass_by_once(void **state)
{
	(void)state;
	run(SENDMAIL_KEPT_MAX + 1, false);
	run(2 * SENDMAIL_KEPT_MAX, false);
}

static void
test_an_input_that_cannot_be_read_is_told(void **state)
{
	struct source s;
	struct error err = { .text = "" };

	(void)state;
	source_init(&s, -1);
	assert_false(source_fill(&s, &err));
	assert_non_null(strstr(err.text, "standard input"));
	source_clear(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_inputs_can_be_read_again),
		cmocka_unit_test(test_large_inputs_pass_by_once),
		cmocka_unit_test(test_an_input_that_cannot_be_read_is_told),
	};

	return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
