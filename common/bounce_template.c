/* SPDX-License-Identifier: ISC */
#include "common/bounce_template.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/utf8.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct str sections[BOUNCE_SECTIONS] = {
	[BOUNCE_SECTION_FAILURE] = STR("failure"),
	[BOUNCE_SECTION_DELAY] = STR("delay"),
	[BOUNCE_SECTION_SUCCESS] = STR("success"),
};

static const struct {
	struct str word;
	bool in_templates;
} placeholders[] = {
#define P(word, name, in_templates) [BOUNCE_PLACEHOLDER_##name] = { STR(word), in_templates },
	BOUNCE_PLACEHOLDERS(P)
#undef P
};

/* --- placeholders --- */

/* How many bytes "{word}" takes at the start of s; 0 where none stands. */
static size_t
braces_length(struct str s)
{
	size_t i = 1;

	while (i < s.len && s.ptr[i] >= 'a' && s.ptr[i] <= 'z')
		i++;
	return i > 1 && i < s.len && s.ptr[i] == '}' ? i + 1 : 0;
}

static enum bounce_placeholder
placeholder_of(struct str word)
{
	size_t i;

	for (i = 0; i < COUNT(placeholders); i++)
		if (str_equal(word, placeholders[i].word))
			return (enum bounce_placeholder)i;
	return BOUNCE_PLACEHOLDER_UNKNOWN;
}

enum bounce_placeholder
bounce_placeholder_next(struct str *rest, struct str *text, struct str *word)
{
	struct str name;
	size_t i, length = 0;

	for (i = 0; i < rest->len; i++)
		if (rest->ptr[i] == '{' && (length = braces_length((struct str){ rest->ptr + i, rest->len - i })) > 0)
			break;
	*text = (struct str){ rest->ptr, i };
	if (length == 0) {
		*rest = (struct str){ rest->ptr + i, 0 };
		return BOUNCE_PLACEHOLDER_NONE;
	}
	name = (struct str){ rest->ptr + i + 1, length - 2 };
	*rest = (struct str){ rest->ptr + i + length, rest->len - i - length };
	if (word != NULL)
		*word = name;
	return placeholder_of(name);
}

/* --- the file --- */

struct reader {
	const char *name;
	struct str rest;
	unsigned line;                     /* number of the line taken last */
	int section;                       /* -1: before the first */
	unsigned started[BOUNCE_SECTIONS]; /* line of its name; 0: not there */
	unsigned placeholders;             /* in the section */
	bool recipients;                   /* likewise whether {recipients} stands in it */
	struct bounce_template *out;
	struct error *err;
};

#define refuse(r, fmt, ...) \
	error_set((r)->err, ERROR_PERMANENT, "%s:%u: " fmt, (r)->name, (r)->line __VA_OPT__(, ) __VA_ARGS__)

static bool
next_line(struct reader *r, struct str *line)
{
	if (r->rest.len == 0)
		return false;
	(void)str_cut(r->rest, '\n', line, &r->rest);
	r->line++;
	return true;
}

static bool
check_characters(struct reader *r, struct str line)
{
	uint32_t point;
	size_t n;

	for (; line.len > 0; line.ptr += n, line.len -= n) {
		n = utf8_read(line, &point);
		if (n == 0)
			return refuse(r, "byte \\x%02x, expected text in UTF-8", (unsigned char)line.ptr[0]);
		if (point != '\t' && !utf8_is_printable(point))
			return refuse(r, "control character U+%04X, expected text", point);
	}
	return true;
}

static bool
check_placeholders(struct reader *r, struct str line)
{
	struct str rest = line, text, word;
	enum bounce_placeholder which;

	while ((which = bounce_placeholder_next(&rest, &text, &word)) != BOUNCE_PLACEHOLDER_NONE) {
		if (which == BOUNCE_PLACEHOLDER_UNKNOWN || !placeholders[which].in_templates)
			return refuse(r, "{%.*s}, expected {hostname}, {contact}, {arrival}, {message} or {recipients}",
			    (int)(word.len < 64 ? word.len : 64), word.ptr);
		if (++r->placeholders > BOUNCE_TEMPLATE_PLACEHOLDERS_MAX)
			return refuse(
			    r, "expected at most %d placeholders in a section", BOUNCE_TEMPLATE_PLACEHOLDERS_MAX);
		if (which != BOUNCE_PLACEHOLDER_RECIPIENTS)
			continue;
		if (r->recipients)
			return refuse(r, "{recipients} a second time, expected it once in a section");
		if (str_trim(line).len != word.len + 2)
			return refuse(r, "expected {recipients} alone on its line");
		r->recipients = true;
	}
	return true;
}

/* What a section has to have when the next one begins, or the file ends. */
static bool
finish_section(struct reader *r)
{
	static const char blanks[] = " \t\n";
	struct str *body;

	if (r->section == -1)
		return true;
	body = &r->out->sections[r->section].body;
	if (!r->recipients)
		return error_set(r->err, ERROR_PERMANENT,
		    "%s:%u: [%s] has no {recipients}, expected it on a line of its own", r->name,
		    r->started[r->section], sections[r->section].ptr);
	while (body->len > 0 && strchr(blanks, body->ptr[0]) != NULL)
		*body = (struct str){ body->ptr + 1, body->len - 1 };
	while (body->len > 0 && strchr(blanks, body->ptr[body->len - 1]) != NULL)
		body->len--;
	return true;
}

static bool
take_subject(struct reader *r)
{
	struct str line, text, rest, name = STR("Subject:");
	struct str *subject = &r->out->sections[r->section].subject;

	if (!next_line(r, &line) || !str_starts_nocase(line, name))
		return refuse(
		    r, "expected \"Subject:\" and a text on the first line of [%s]", sections[r->section].ptr);
	if (!check_characters(r, line))
		return false;
	*subject = str_trim((struct str){ line.ptr + name.len, line.len - name.len });
	if (subject->len == 0 || subject->len > BOUNCE_TEMPLATE_SUBJECT_MAX)
		return refuse(r, "subject of %zu bytes, expected 1 to %d", subject->len, BOUNCE_TEMPLATE_SUBJECT_MAX);
	rest = *subject;
	if (bounce_placeholder_next(&rest, &text, NULL) != BOUNCE_PLACEHOLDER_NONE)
		return refuse(r, "placeholder in a subject, expected text only");
	r->out->sections[r->section].body = (struct str){ r->rest.ptr, 0 };
	return true;
}

static bool
begin_section(struct reader *r, struct str word)
{
	int i = 0;

	if (!finish_section(r))
		return false;
	while (i < BOUNCE_SECTIONS && !str_equal(word, sections[i]))
		i++;
	if (i == BOUNCE_SECTIONS)
		return refuse(r, "[%.*s], expected [failure], [delay] or [success]",
		    (int)(word.len < 64 ? word.len : 64), word.ptr);
	if (r->started[i] != 0)
		return refuse(r, "[%s] a second time, the first is in line %u", sections[i].ptr, r->started[i]);
	r->section = i;
	r->started[i] = r->line;
	r->placeholders = 0;
	r->recipients = false;
	return take_subject(r);
}

/* "[word]", alone on its line. */
static bool
is_section(struct str line, struct str *word)
{
	size_t i;

	line = str_trim(line);
	if (line.len < 3 || line.ptr[0] != '[' || line.ptr[line.len - 1] != ']')
		return false;
	*word = (struct str){ line.ptr + 1, line.len - 2 };
	for (i = 0; i < word->len; i++)
		if (!ascii_is_alpha(word->ptr[i]))
			return false;
	return true;
}

static bool
take_line(struct reader *r, struct str line)
{
	struct str word;

	if (!check_characters(r, line))
		return false;
	if (is_section(line, &word))
		return begin_section(r, word);
	if (r->section == -1)
		return str_trim(line).len == 0 || line.ptr[0] == '#' ||
		    refuse(r, "expected [failure], [delay] or [success] before the first text");
	r->out->sections[r->section].body.len = (size_t)(line.ptr + line.len - r->out->sections[r->section].body.ptr);
	return check_placeholders(r, line);
}

static bool
take_all(struct reader *r)
{
	struct str line;
	int i;

	while (next_line(r, &line))
		if (!take_line(r, line))
			return false;
	for (i = 0; i < BOUNCE_SECTIONS; i++)
		if (r->started[i] == 0)
			return refuse(r, "the file ends without [%s]", sections[i].ptr);
	return finish_section(r);
}

/* A copy in which CR LF is LF, and which ends as a text does. */
static struct str
copy_lines(struct str text, char *out)
{
	size_t i, n = 0;

	for (i = 0; i < text.len; i++)
		if (text.ptr[i] != '\r' || i + 1 == text.len || text.ptr[i + 1] != '\n')
			out[n++] = text.ptr[i];
	return (struct str){ out, n };
}

bool
bounce_template_parse(const char *name, struct str text, struct bounce_template *out, struct error *err)
{
	struct reader r = { .name = name, .section = -1, .out = out, .err = err };

	*out = (struct bounce_template){ .text = NULL };
	if (text.len > BOUNCE_TEMPLATE_MAX)
		return error_set(err, ERROR_PERMANENT, "%s: expected at most %d bytes", name, BOUNCE_TEMPLATE_MAX);
	out->text = malloc(text.len + 1);
	if (out->text == NULL)
		return error_set(err, ERROR_TEMPORARY, "%s: out of memory", name);
	r.rest = copy_lines(text, out->text);
	if (take_all(&r))
		return true;
	bounce_template_clear(out);
	return false;
}

bool
bounce_template_read(const char *path, struct bounce_template *out, struct error *err)
{
	char text[BOUNCE_TEMPLATE_MAX + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;
	size_t len = 0;
	ssize_t n = 0;
	bool ok = false;

	*out = (struct bounce_template){ .text = NULL };
	if (fd == -1 || fstat(fd, &status) == -1) {
		(void)error_set(err, ERROR_PERMANENT, "%s: %s", path, strerror(errno));
		goto out;
	}
	if (!S_ISREG(status.st_mode)) {
		(void)error_set(err, ERROR_PERMANENT, "%s: expected a file", path);
		goto out;
	}
	while (len < sizeof(text) && (n = read(fd, text + len, sizeof(text) - len)) > 0)
		len += (size_t)n;
	if (n == -1)
		(void)error_set(err, ERROR_PERMANENT, "%s: %s", path, strerror(errno));
	else
		ok = bounce_template_parse(path, (struct str){ text, len }, out, err);
out:
	if (fd != -1)
		(void)close(fd);
	return ok;
}

void
bounce_template_clear(struct bounce_template *template)
{
	free(template->text);
	*template = (struct bounce_template){ .text = NULL };
}
