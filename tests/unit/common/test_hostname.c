/* SPDX-License-Identifier: ISC */
/* Promise: the server name is that of mailname, else the host name, completed from hosts, and always a domain name. */
#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#include "common/hostname.h"

struct row {
	const char *sentence;
	const char *mailname; /* NULL: no such file */
	const char *hosts;
	const char *host;
	const char *want; /* NULL: no name */
};

static const struct row rows[] = {
	{ "mailname wins over all", "mail.example\n", "127.0.1.1 vm.lan vm\n", "vm", "mail.example" },
	{ "mailname is trimmed and in lower case", " Mail.Example \nsecond\n", NULL, "vm", "mail.example" },
	{ "an empty mailname counts as none", "\n", NULL, "vm.example", "vm.example" },
	{ "a host name with a dot needs nothing", NULL, "127.0.1.1 other.lan vm.example\n", "vm.example",
	    "vm.example" },
	{ "a short host name is completed", NULL, "127.0.0.1 localhost\n127.0.1.1\tvm.lan vm # me\n", "vm", "vm.lan" },
	{ "also when the full name comes behind", NULL, "127.0.1.1 vm vm.lan\n", "VM", "vm.lan" },
	{ "a comment names nobody", NULL, "127.0.1.1 a.lan # vm\n", "vm", "vm" },
	{ "an address is no name", NULL, "127.0.1.1 vm\n", "vm", "vm" },
	{ "the last line may lack its end", NULL, "127.0.1.1 vm.lan vm", "vm", "vm.lan" },
	{ "what is no domain name is refused", "not a name\n", NULL, "vm", NULL },
	{ "so is an empty host name", NULL, NULL, "", NULL },
};

static void
write_file(const char *dir, const char *name, const char *text)
{
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	(void)unlink(path);
	if (text == NULL)
		return;
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void
test_server_name(void **state)
{
	char dir[] = "/tmp/test_hostname.XXXXXX", out[256];
	size_t i;

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		bool ok;

		write_file(dir, "mailname", row->mailname);
		write_file(dir, "hosts", row->hosts);
		ok = hostname_find(dir, str_of(row->host), out, sizeof(out));
		if (ok != (row->want != NULL) || strcmp(out, ok ? row->want : "") != 0)
			row_fail(
			    row->sentence, "got \"%s\", want \"%s\"", out, row->want == NULL ? "(none)" : row->want);
	}
	write_file(dir, "mailname", NULL);
	write_file(dir, "hosts", NULL);
	assert_int_equal(rmdir(dir), 0);
}

static void
test_a_name_that_does_not_fit_is_refused(void **state)
{
	char out[4] = "xxx";

	(void)state;
	assert_false(hostname_find("/nonexistent", S("vm.example"), out, sizeof(out)));
	assert_string_equal(out, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server_name),
		cmocka_unit_test(test_a_name_that_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
