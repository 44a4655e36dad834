/* SPDX-License-Identifier: ISC */
#include "mailbox/where.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <unistd.h>

#include "mailbox/format.h"
#include "mailbox/path.h"

static bool
set_method(struct where *w, const struct msg_mailbox_setup *setup, struct error *err)
{
	struct str format = setup->path;

	w->method = (enum config_method)setup->method;
	if (w->method != CONFIG_METHOD_MBOX && w->method != CONFIG_METHOD_MAILDIR)
		return error_set(err, ERROR_PERMANENT, "method %u: not one of a mailbox", setup->method);
	if (format.len == 0)
		format = str_of(w->method == CONFIG_METHOD_MBOX ? WHERE_MBOX_PATH : WHERE_MAILDIR_PATH);
	if (!str_copy(format, w->format, sizeof(w->format)))
		return error_set(err, ERROR_PERMANENT, "path: expected at most %d bytes", PROTO_TEXT_MAX);
	return true;
}

static bool
normalize(const struct where *w, struct str path, char *dst, struct error *err)
{
	if (path_normalize(path, dst, MAILBOX_PATH_MAX + 1))
		return true;
	return error_set(err, ERROR_PERMANENT, "path \"%s\": expected names of at most %d bytes, none of them \"..\"",
	    w->format, MAILBOX_NAME_MAX);
}

static struct format_values
values_of_user(const struct where *w)
{
	return (struct format_values){
		.username = str_of(w->user), .directory = str_of(w->home), .sub_addr_delim = w->sub_addr_delim
	};
}

/*
 * The directory that all mailboxes of this user are in. A home must be there: where it is not, its file system is not
 * mounted, and a Maildir made in its place would hide mail for ever. Directories that only hold mailboxes may be made on
 * the way.
 */
static bool
set_root(struct where *w, struct str front, struct error *err)
{
	char path[MAILBOX_PATH_MAX + 1];
	struct str directory, name;

	if (!normalize(w, front, path, err))
		return false;
	if (path_below(w->home, path) != NULL)
		return str_copy(str_of(w->home), w->root, sizeof(w->root));
	(void)str_cut_last(front, '/', &directory, &name);
	if (!normalize(w, directory.len == 0 ? S("/") : directory, path, err))
		return false;
	path_existing(path, w->root, sizeof(w->root));
	return true;
}

bool
where_set(struct where *w, const struct msg_mailbox_setup *setup, struct error *err)
{
	struct format_values values;
	struct buf front;
	bool ok;

	*w = (struct where){ .root_fd = -1, .mail_gid = (gid_t)-1, .sub_addr_delim = (char)setup->sub_addr_delim };
	if (!set_method(w, setup, err))
		return false;
	if (!str_copy(setup->user, w->user, sizeof(w->user)) || w->user[0] == '\0')
		return error_set(err, ERROR_PERMANENT, "user: expected a name");
	if (!path_normalize(setup->home, w->home, sizeof(w->home)) || w->home[0] != '/')
		return error_set(err, ERROR_PERMANENT, "home of %s: expected an absolute path", w->user);
	values = values_of_user(w);
	path_buffer(&front, MAILBOX_PATH_MAX);
	ok = format_expand(format_fixed(str_of(w->format)), &values, &front, err) && set_root(w, buf_str(&front), err);
	buf_clear(&front);
	return ok;
}

/* Without the right to search it, the directory opens, and every name in it is refused. */
static int
open_root(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), saved;

	if (fd == -1 || faccessat(fd, ".", X_OK, 0) == 0)
		return fd;
	saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}

bool
where_open(struct where *w, struct error *err)
{
	const struct group *mail = getgrnam("mail");
	bool home = strcmp(w->root, w->home) == 0;

	w->uid = geteuid();
	if (mail != NULL)
		w->mail_gid = mail->gr_gid;
	w->root_fd = open_root(w->root);
	if (w->root_fd == -1)
		return error_set(err, ERROR_TEMPORARY, "%s of %s: %s",
		    home ? "home directory" : "directory above the mailbox", w->user, strerror(errno));
	return true;
}

void
where_close(struct where *w)
{
	if (w->root_fd != -1)
		(void)close(w->root_fd);
	w->root_fd = -1;
}

static struct address
parse(struct str text)
{
	struct address address = { .null = true };

	(void)address_parse(text, ADDRESS_UTF8_ALLOWED | ADDRESS_LOCAL_ONLY_ALLOWED, &address, NULL);
	return address;
}

bool
where_path(const struct where *w, struct str sender, struct str rcpt, struct str dest, char *dst, struct outcome *o)
{
	struct format_values values = values_of_user(w);
	char path[MAILBOX_PATH_MAX + 1];
	const char *below;
	struct error err;
	struct buf text;
	bool ok;

	values.sender = parse(sender);
	values.rcpt = parse(rcpt);
	values.dest = parse(dest);
	path_buffer(&text, MAILBOX_PATH_MAX);
	ok = format_expand(str_of(w->format), &values, &text, &err) && normalize(w, buf_str(&text), path, &err);
	buf_clear(&text);
	if (!ok)
		return outcome_set(o, OUTCOME_NO_PLACE, "%s", err.text);
	below = path_below(w->root, path);
	if (below == NULL)
		return outcome_set(o, OUTCOME_NO_PLACE, "the path is not below what was opened");
	(void)strlcpy(dst, below, MAILBOX_PATH_MAX + 1);
	return true;
}

/* The tag of a local part, empty when it has none or is not the user's. */
static struct str
tag_of(const struct where *w, const struct address *address, bool only_users)
{
	struct str user, tag;

	if (!str_cut(str_of(address->local), w->sub_addr_delim, &user, &tag) || user.len == 0)
		return S("");
	if (only_users && !str_equal_nocase(user, str_of(w->user)))
		return S("");
	return tag;
}

void
where_folder(const struct where *w, struct str rcpt, struct str dest, char *dst)
{
	struct address asked = parse(rcpt), expanded = parse(dest);
	struct str tag = tag_of(w, &expanded, false);
	struct buf name;

	dst[0] = '\0';
	if (tag.len == 0)
		tag = tag_of(w, &asked, true);
	if (tag.len == 0)
		return;
	path_buffer(&name, MAILBOX_NAME_MAX);
	if (buf_append_byte(&name, '.') && path_append_value(&name, tag))
		(void)str_copy(buf_str(&name), dst, MAILBOX_NAME_MAX + 1);
	buf_clear(&name);
}
