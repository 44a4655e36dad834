/* SPDX-License-Identifier: ISC */
/*
 * Where this process delivers: the method, the directory that stays reachable after confinement (the root), and for each
 * recipient the path below it. Made of MAILBOX_SETUP, which the parent made of router's statement and the configuration.
 */
#ifndef MAILBOX_WHERE_H
#define MAILBOX_WHERE_H

#include <sys/types.h>

#include <stdbool.h>

#include "common/config.h"
#include "common/error.h"
#include "common/proto.h"
#include "mailbox/limits.h"
#include "mailbox/outcome.h"

#define WHERE_MBOX_PATH    "/var/mail/%{user.username}"
#define WHERE_MAILDIR_PATH "~/Maildir"

struct where {
	enum config_method method; /* CONFIG_METHOD_MBOX or CONFIG_METHOD_MAILDIR */
	char format[PROTO_TEXT_MAX + 1];
	char user[PROTO_USER_MAX + 1];
	char home[PROTO_TEXT_MAX + 1];
	char root[MAILBOX_PATH_MAX + 1]; /* absolute, normalised, a directory */
	int root_fd;                     /* -1 until where_open */
	uid_t uid;                       /* owner that files must have */
	gid_t mail_gid;                  /* the one group that may write to an mbox; (gid_t)-1: none */
	char sub_addr_delim;             /* between user and sub-address; '\0': there are none */
};

/*
 * Fills w from the parent's words. Returns false and sets err when they do not fit together: a home that is no absolute
 * path, a method that is not carried out here, a format that does not expand.
 */
bool where_set(struct where *w, const struct msg_mailbox_setup *setup, struct error *err);

/*
 * Opens the root, and learns the group `mail`; before confinement. Returns false and sets err when the root cannot be
 * opened, or not be entered: with the words that outcome.h asks for.
 */
bool where_open(struct where *w, struct error *err);
void where_close(struct where *w);

/*
 * The path of the mailbox of a recipient, relative to the root, to dst of MAILBOX_PATH_MAX + 1 bytes. Returns false with o
 * filled.
 */
bool where_path(
    const struct where *w, struct str sender, struct str rcpt, struct str dest, char *dst, struct outcome *o);

/*
 * The folder of a sub-address, ".ext" for joe+ext where + is the delimiter, to dst of MAILBOX_NAME_MAX + 1 bytes: from the
 * address after expansion or else the one that was asked for, where it is the same user's. "" when there is none.
 */
void where_folder(const struct where *w, struct str rcpt, struct str dest, char *dst);

#endif
