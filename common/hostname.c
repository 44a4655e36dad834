/* SPDX-License-Identifier: ISC */
#include "common/hostname.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/address.h"

enum { FILE_READ_MAX = 65536 }; /* bytes of a file that are looked at */

/* Reads the start of etc/name into text. Returns what there is, empty where there is nothing. */
static struct str
read_start(const char *etc, const char *name, char *text, size_t size)
{
	char path[PATH_MAX];
	size_t len = 0;
	ssize_t n;
	int fd, printed;

	printed = snprintf(path, sizeof(path), "%s/%s", etc, name);
	if (printed < 0 || (size_t)printed >= sizeof(path))
		return (struct str){ text, 0 };
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return (struct str){ text, 0 };
	while (len < size && (n = read(fd, text + len, size - len)) > 0)
		len += (size_t)n;
	(void)close(fd);
	return (struct str){ text, len };
}

/* The next word of *line, which it is cut from. */
static struct str
next_word(struct str *line)
{
	struct str word = { line->ptr, 0 };

	while (word.len < line->len && word.ptr[word.len] != ' ' && word.ptr[word.len] != '\t')
		word.len++;
	*line = str_trim((struct str){ line->ptr + word.len, line->len - word.len });
	return word;
}

/* In a line "ADDRESS NAME..." of hosts(5) that has host among its names: the first of them with a dot. */
static struct str
full_name_in_line(struct str line, struct str host)
{
	struct str full = { "", 0 }, comment, head, tail, word;
	bool named = false;

	(void)str_cut(line, '#', &line, &comment);
	line = str_trim(line);
	(void)next_word(&line);
	while (line.len > 0) {
		word = next_word(&line);
		named = named || str_equal_nocase(word, host);
		if (full.len == 0 && str_cut(word, '.', &head, &tail) && address_is_domain(word))
			full = word;
	}
	return named ? full : (struct str){ "", 0 };
}

static struct str
full_name(struct str hosts, struct str host)
{
	struct str line, full = { "", 0 };

	while (hosts.len > 0 && full.len == 0) {
		(void)str_cut(hosts, '\n', &line, &hosts);
		full = full_name_in_line(line, host);
	}
	return full;
}

static struct str
mail_name(const char *etc, char *text, size_t size)
{
	static const char *const names[] = { "mailname", "mail/mailname" };
	struct str line = { text, 0 }, rest;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]) && line.len == 0; i++) {
		(void)str_cut(read_start(etc, names[i], text, size), '\n', &line, &rest);
		line = str_trim(line);
	}
	return line;
}

bool
hostname_find(const char *etc, struct str host, char *out, size_t size)
{
	char text[FILE_READ_MAX];
	struct str name = mail_name(etc, text, sizeof(text));

	if (name.len == 0) {
		name = host;
		if (memchr(host.ptr, '.', host.len) == NULL) {
			struct str full = full_name(read_start(etc, "hosts", text, sizeof(text)), host);
			name = full.len > 0 ? full : host;
		}
	}
	out[0] = '\0';
	return address_is_domain(name) && str_copy_lower(name, out, size);
}

bool
hostname_get(char *out, size_t size)
{
	char host[HOST_NAME_MAX + 1];

	out[0] = '\0';
	if (gethostname(host, sizeof(host)) == -1)
		return false;
	host[sizeof(host) - 1] = '\0';
	return hostname_find("/etc", str_of(host), out, size);
}
