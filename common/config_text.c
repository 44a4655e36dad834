/* SPDX-License-Identifier: ISC */
#include "common/config_text.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config_arena.h"
#include "common/log.h"

enum { SERVICES_MAX = 64, NAME_MAX_BYTES = 8095, SERVICE_BUFFER = 2048 };

static const char magic[4] = { 'P', 'C', 'T', '1' };

struct service {
	STAILQ_ENTRY(service) next;
	char *name;
	uint16_t port;
};
STAILQ_HEAD(services, service);

struct config_text {
	char *main_path;
	bool sealed;  /* opens no file: was decoded */
	bool blanked; /* was decoded from the blanked view */
	bool parsed;
	struct config_sources files;
	size_t files_count;
	size_t files_size; /* bytes of all files */
	struct config_sources defines;
	struct services services;
	size_t services_count;
};

struct config_text *
config_text_new(const char *main_path)
{
	struct config_text *text = config_must(calloc(1, sizeof(*text)));

	text->main_path = config_must(strdup(main_path));
	STAILQ_INIT(&text->files);
	STAILQ_INIT(&text->defines);
	STAILQ_INIT(&text->services);
	return text;
}

static void
source_free(struct config_source *source)
{
	free(source->name);
	free(source->bytes);
	free(source->sights);
	free(source);
}

static void
sources_free(struct config_sources *sources)
{
	struct config_source *source;

	while ((source = STAILQ_FIRST(sources)) != NULL) {
		STAILQ_REMOVE_HEAD(sources, next);
		source_free(source);
	}
}

void
config_text_free(struct config_text *text)
{
	struct service *service;

	if (text == NULL)
		return;
	sources_free(&text->files);
	sources_free(&text->defines);
	while ((service = STAILQ_FIRST(&text->services)) != NULL) {
		STAILQ_REMOVE_HEAD(&text->services, next);
		free(service->name);
		free(service);
	}
	free(text->main_path);
	free(text);
}

/* A source with room for len bytes, all hidden. */
static struct config_source *
source_new(struct str name, size_t len)
{
	struct config_source *source = config_must(calloc(1, sizeof(*source)));

	source->name = config_must(strndup(name.ptr, name.len));
	source->len = len;
	if (len > 0) {
		source->bytes = config_must(malloc(len));
		source->sights = config_must(calloc(len, 1));
	}
	return source;
}

static bool
is_macro_name(struct str name)
{
	size_t i;

	for (i = 0; i < name.len; i++)
		if (!ascii_is_alpha(name.ptr[i]) && !ascii_is_digit(name.ptr[i]) && name.ptr[i] != '_')
			return false;
	return name.len > 0;
}

static void
add_define(struct config_text *text, struct str name, struct str value)
{
	struct config_source *define = source_new(name, value.len);

	if (value.len > 0)
		memcpy(define->bytes, value.ptr, value.len);
	STAILQ_INSERT_TAIL(&text->defines, define, next);
}

bool
config_text_define(struct config_text *text, const char *definition, struct error *err)
{
	struct str name, value;

	if (!str_cut_last(str_of(definition), '=', &name, &value))
		return error_set(err, ERROR_PERMANENT, "macro \"%s\": expected NAME=VALUE", definition);
	if (!is_macro_name(name))
		return error_set(err, ERROR_PERMANENT,
		    "macro \"%s\": expected a name of letters, digits and \"_\" before the last \"=\"", definition);
	if (value.len > NAME_MAX_BYTES)
		return error_set(
		    err, ERROR_PERMANENT, "macro \"%.*s\": value longer than %d bytes", STR_ARG(name), NAME_MAX_BYTES);
	add_define(text, name, value);
	return true;
}

const char *
config_text_main_path(const struct config_text *text)
{
	return text->main_path;
}

bool
config_text_is_blanked(const struct config_text *text)
{
	return text->blanked;
}

struct config_sources *
config_text_defines(struct config_text *text)
{
	return &text->defines;
}

void
config_text_set_parsed(struct config_text *text)
{
	text->parsed = true;
}

/* --- files --- */

static bool
check_owner(const char *name, const struct stat *st, struct error *err)
{
	bool group_is_ours = st->st_gid == 0 || st->st_gid == getegid();

	if (!S_ISREG(st->st_mode))
		return error_set(err, ERROR_PERMANENT, "%s: not a regular file", name);
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return error_set(err, ERROR_PERMANENT, "%s: belongs to uid %u, expected root or uid %u", name,
		    (unsigned)st->st_uid, (unsigned)geteuid());
	if ((st->st_mode & S_IWOTH) != 0 || ((st->st_mode & S_IWGRP) != 0 && !group_is_ours))
		return error_set(
		    err, ERROR_PERMANENT, "%s: mode %04o lets others write it", name, (unsigned)st->st_mode & 07777);
	return true;
}

/* Fills source with exactly what the file has now; a file that changes size meanwhile is an error. */
static bool
read_whole(int fd, struct config_source *source, struct error *err)
{
	size_t done = 0;
	ssize_t n;
	char extra;

	while (done < source->len) {
		n = read(fd, source->bytes + done, source->len - done);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return error_set(err, ERROR_PERMANENT, "%s: %s", source->name, strerror(errno));
		if (n == 0)
			return error_set(err, ERROR_PERMANENT, "%s: became shorter while it was read", source->name);
		done += (size_t)n;
	}
	if (read(fd, &extra, 1) != 0)
		return error_set(err, ERROR_PERMANENT, "%s: became longer while it was read", source->name);
	return true;
}

static struct config_source *
read_file(struct config_text *text, const char *name, int fd, struct error *err)
{
	struct config_source *source;
	struct stat st;

	if (fstat(fd, &st) == -1) {
		error_set(err, ERROR_PERMANENT, "%s: %s", name, strerror(errno));
		return NULL;
	}
	if (!check_owner(name, &st, err))
		return NULL;
	if (st.st_size < 0 || (uint64_t)st.st_size > CONFIG_TEXT_MAX - text->files_size) {
		error_set(err, ERROR_PERMANENT, "%s: the files of the configuration are larger than %d bytes together",
		    name, CONFIG_TEXT_MAX);
		return NULL;
	}
	source = source_new(str_of(name), (size_t)st.st_size);
	if (!read_whole(fd, source, err)) {
		source_free(source);
		return NULL;
	}
	return source;
}

static void
add_file(struct config_text *text, struct config_source *source)
{
	STAILQ_INSERT_TAIL(&text->files, source, next);
	text->files_count++;
	text->files_size += source->len;
}

struct config_source *
config_text_file(struct config_text *text, const char *name, struct error *err)
{
	struct config_source *source;
	int fd;

	STAILQ_FOREACH (source, &text->files, next)
		if (strcmp(source->name, name) == 0)
			return source;
	if (text->sealed) {
		error_set(err, ERROR_PERMANENT, "%s: not among the files of the configuration", name);
		return NULL;
	}
	if (text->files_count >= CONFIG_FILES_MAX) {
		error_set(err, ERROR_PERMANENT, "%s: more than %d files", name, CONFIG_FILES_MAX);
		return NULL;
	}
	/* Without O_NONBLOCK a FIFO would hold the start for ever. */
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1) {
		error_set(err, ERROR_PERMANENT, "%s: %s", name, strerror(errno));
		return NULL;
	}
	source = read_file(text, name, fd, err);
	(void)close(fd);
	if (source != NULL)
		add_file(text, source);
	return source;
}

/* --- services --- */

static uint16_t
look_up_service(const char *name)
{
	struct servent entry, *found = NULL;
	char strings[SERVICE_BUFFER];

	if (getservbyname_r(name, "tcp", &entry, strings, sizeof(strings), &found) != 0 || found == NULL)
		return 0;
	return ntohs((uint16_t)found->s_port);
}

static void
add_service(struct config_text *text, struct str name, uint16_t port)
{
	struct service *service = config_must(calloc(1, sizeof(*service)));

	service->name = config_must(strndup(name.ptr, name.len));
	service->port = port;
	STAILQ_INSERT_TAIL(&text->services, service, next);
	text->services_count++;
}

uint16_t
config_text_service(struct config_text *text, const char *name)
{
	static const struct {
		const char *name;
		uint16_t port;
	} known[] = { { "smtp", 25 }, { "submission", 587 }, { "submissions", 465 }, { "smtps", 465 } };
	struct service *service;
	uint16_t port;
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].name, name) == 0)
			return known[i].port;
	STAILQ_FOREACH (service, &text->services, next)
		if (strcmp(service->name, name) == 0)
			return service->port;
	if (text->sealed || text->services_count >= SERVICES_MAX)
		return 0;
	port = look_up_service(name);
	if (port != 0)
		add_service(text, str_of(name), port);
	return port;
}

/* --- encode --- */

static bool
put_u32(struct buf *out, uint32_t value)
{
	unsigned char bytes[4] = { (unsigned char)(value >> 24), (unsigned char)(value >> 16),
		(unsigned char)(value >> 8), (unsigned char)value };

	return buf_append(out, bytes, sizeof(bytes));
}

static bool
put_str(struct buf *out, struct str s)
{
	return put_u32(out, (uint32_t)s.len) && (s.len == 0 || buf_append_str(out, s));
}

static char
as_seen(const struct config_source *source, size_t i)
{
	char c = source->bytes[i];

	if (c == '\n')
		return c;
	/* Lines end where they ended, a continuation goes on where it went on. */
	if (c == '\r' && i + 1 < source->len && source->bytes[i + 1] == '\n')
		return c;
	if (source->sights[i] == CONFIG_SIGHT_SHOWN)
		return c;
	return source->sights[i] == CONFIG_SIGHT_MASKED ? 'x' : ' ';
}

static bool
put_bytes(struct buf *out, const struct config_source *source, enum config_view view)
{
	char *room;
	size_t i;

	if (view == CONFIG_VIEW_WHOLE)
		return put_str(out, (struct str){ source->bytes, source->len });
	if (!put_u32(out, (uint32_t)source->len))
		return false;
	if (source->len == 0)
		return true;
	room = buf_reserve(out, source->len);
	if (room == NULL)
		return false;
	for (i = 0; i < source->len; i++)
		room[i] = as_seen(source, i);
	buf_commit(out, source->len);
	return true;
}

static bool
put_sources(struct buf *out, const struct config_sources *sources, enum config_view view)
{
	const struct config_source *source;
	uint32_t count = 0;

	STAILQ_FOREACH (source, sources, next)
		count++;
	if (!put_u32(out, count))
		return false;
	STAILQ_FOREACH (source, sources, next)
		if (!put_str(out, str_of(source->name)) || !put_bytes(out, source, view))
			return false;
	return true;
}

static bool
put_services(struct buf *out, const struct config_text *text)
{
	const struct service *service;

	if (!put_u32(out, (uint32_t)text->services_count))
		return false;
	STAILQ_FOREACH (service, &text->services, next)
		if (!put_str(out, str_of(service->name)) || !put_u32(out, service->port))
			return false;
	return true;
}

bool
config_text_encode(const struct config_text *text, enum config_view view, struct buf *out)
{
	size_t before = out->len;
	bool blanked = text->blanked || view == CONFIG_VIEW_BLANKED;

	/* Before that nothing is known to be shown, and the blanked view would be all blank. */
	invariant(text->parsed);
	if (buf_append(out, magic, sizeof(magic)) && put_u32(out, blanked) && put_str(out, str_of(text->main_path)) &&
	    put_sources(out, &text->files, view) && put_sources(out, &text->defines, view) && put_services(out, text))
		return true;
	buf_truncate(out, before);
	return false;
}

/* --- decode --- */

static bool
get_u32(struct str *rest, uint32_t max, uint32_t *out)
{
	const unsigned char *p = (const unsigned char *)rest->ptr;
	uint32_t value;

	if (rest->len < 4)
		return false;
	value = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	if (value > max)
		return false;
	*rest = (struct str){ rest->ptr + 4, rest->len - 4 };
	*out = value;
	return true;
}

static bool
get_str(struct str *rest, uint32_t max, struct str *out)
{
	uint32_t len;

	if (!get_u32(rest, max, &len) || rest->len < len)
		return false;
	*out = (struct str){ rest->ptr, len };
	*rest = (struct str){ rest->ptr + len, rest->len - len };
	return true;
}

static bool
get_name(struct str *rest, struct str *out)
{
	return get_str(rest, NAME_MAX_BYTES, out) && out->len > 0 && memchr(out->ptr, '\0', out->len) == NULL;
}

static bool
get_file(struct config_text *text, struct str *rest)
{
	struct config_source *source;
	struct str name, bytes;

	if (!get_name(rest, &name) || !get_str(rest, (uint32_t)(CONFIG_TEXT_MAX - text->files_size), &bytes))
		return false;
	source = source_new(name, bytes.len);
	if (bytes.len > 0)
		memcpy(source->bytes, bytes.ptr, bytes.len);
	add_file(text, source);
	return true;
}

static bool
get_define(struct config_text *text, struct str *rest)
{
	struct str name, value;

	if (!get_name(rest, &name) || !is_macro_name(name) || !get_str(rest, NAME_MAX_BYTES, &value))
		return false;
	add_define(text, name, value);
	return true;
}

static bool
get_service(struct config_text *text, struct str *rest)
{
	struct str name;
	uint32_t port;

	if (!get_name(rest, &name) || !get_u32(rest, UINT16_MAX, &port))
		return false;
	add_service(text, name, (uint16_t)port);
	return true;
}

static bool
get_each(struct config_text *text, struct str *rest, uint32_t max, bool (*get)(struct config_text *, struct str *))
{
	uint32_t count;

	if (!get_u32(rest, max, &count))
		return false;
	while (count-- > 0)
		if (!get(text, rest))
			return false;
	return true;
}

struct config_text *
config_text_decode(struct str bytes, struct error *err)
{
	struct config_text *text = NULL;
	struct str rest, main_path;
	char path[NAME_MAX_BYTES + 1];
	uint32_t blanked;

	if (bytes.len < sizeof(magic) || memcmp(bytes.ptr, magic, sizeof(magic)) != 0)
		goto bad;
	rest = (struct str){ bytes.ptr + sizeof(magic), bytes.len - sizeof(magic) };
	if (!get_u32(&rest, 1, &blanked) || !get_name(&rest, &main_path) || !str_copy(main_path, path, sizeof(path)))
		goto bad;
	text = config_text_new(path);
	text->sealed = true;
	text->blanked = blanked != 0;
	if (get_each(text, &rest, CONFIG_FILES_MAX, get_file) && get_each(text, &rest, UINT16_MAX, get_define) &&
	    get_each(text, &rest, SERVICES_MAX, get_service) && rest.len == 0)
		return text;
bad:
	config_text_free(text);
	error_set(err, ERROR_PEER, "not a bundle of configuration files");
	return NULL;
}
