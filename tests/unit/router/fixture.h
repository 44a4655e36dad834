/* SPDX-License-Identifier: ISC */
/*
 * A router's knowledge from the text of a configuration: "DIR" in it stands for a new directory, whose files fixture_file
 * writes first. This machine is mx.example.org, 192.0.2.10 and 2001:db8::10. Users are what fixture_user says; whoever else is asked for is pending.
 */
#ifndef TESTS_UNIT_ROUTER_FIXTURE_H
#define TESTS_UNIT_ROUTER_FIXTURE_H

#include <sys/stat.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config.h"
#include "common/log.h"
#include "common/loop.h"
#include "router/expansion.h"
#include "router/routing.h"
#include "tests/unit/unit.h"

struct fixture {
	char dir[64];
	struct config *config;
	struct routing routing;
	struct error err;
	uint64_t asked; /* questions to userdb so far */
	bool open;
};

static __attribute__((unused)) void
fixture_begin(struct fixture *f)
{
	static bool once;

	memset(f, 0, sizeof(*f));
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/postern-router.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	if (!once)
		loop_init();
	once = true;
}

/* Writes a file into the directory; DIR in text is replaced too. */
static __attribute__((unused)) void
fixture_file(struct fixture *f, const char *name, const char *text)
{
	char path[256];
	const char *at;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	while ((at = strstr(text, "DIR")) != NULL) {
		assert_int_equal(fwrite(text, 1, (size_t)(at - text), file), (size_t)(at - text));
		assert_true(fputs(f->dir, file) >= 0);
		text = at + 3;
	}
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0644), 0);
}

static __attribute__((unused)) void
fixture_report(void *arg, bool warning, const char *text)
{
	struct fixture *f = arg;

	if (!warning)
		(void)snprintf(f->err.text, sizeof(f->err.text), "%s", text);
}

/* Parses the configuration and opens it all. Returns false with f->err set. */
static __attribute__((unused)) bool
fixture_open(struct fixture *f, const char *config)
{
	static const struct netaddr addresses[] = { { NETADDR_INET4, 32, { 192, 0, 2, 10 } },
		{ NETADDR_INET6, 128, { 0x20, 0x01, 0x0d, 0xb8, [15] = 0x10 } } };
	struct config_text *text;
	char path[256];

	fixture_file(f, "postern.conf", config);
	(void)snprintf(path, sizeof(path), "%s/postern.conf", f->dir);
	text = config_text_new(path);
	f->config = config_parse(text, fixture_report, f);
	config_text_free(text);
	if (f->config == NULL)
		return false;
	f->open = true;
	return routing_open(&f->routing, f->config, names_new("mx.example.org", addresses, 2), &f->err);
}

static __attribute__((unused)) void
fixture_nobody(void *arg, const struct user *user)
{
	(void)arg;
	(void)user;
}

/* Makes known what userdb would say of name. */
static __attribute__((unused)) void
fixture_user(struct fixture *f, const char *name, enum proto_answer status, uint32_t uid)
{
	struct users_wait wait = { .fn = fixture_nobody };
	struct msg_user_answer answer = { .status = status, .name = str_of(name), .uid = uid, .gid = uid };

	answer.home = (struct str)STR("/home/x");
	assert_null(users_get(f->routing.users, str_of(name), true, &wait));
	assert_true(users_answer(f->routing.users, ++f->asked, &answer));
}

static __attribute__((unused)) void
fixture_end(struct fixture *f)
{
	struct dirent *entry;
	char path[512];
	DIR *dir;

	if (f->open)
		routing_clear(&f->routing);
	config_free(f->config);
	expansion_free_pool();
	dir = opendir(f->dir);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", f->dir, entry->d_name);
		(void)unlink(path);
	}
	if (dir != NULL)
		(void)closedir(dir);
	(void)rmdir(f->dir);
}

#endif
