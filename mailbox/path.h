/* SPDX-License-Identifier: ISC */
/*
 * The only place where a path is made of an address or a user's name, and where a file below a mailbox's root is opened.
 * Values become names of a small alphabet, so none can climb, hide or end a path; opening never follows a symbolic link
 * and never leaves the root (openat2(2), or one component at a time where the kernel has none).
 */
#ifndef MAILBOX_PATH_H
#define MAILBOX_PATH_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/str.h"
#include "mailbox/outcome.h"

/*
 * A new buffer of max bytes, which has all its memory: an append fails only because the text is too long, and for that mail
 * is given back.
 */
void path_buffer(struct buf *b, size_t max);

/*
 * Appends value as a part of one name: letters in lower case, digits and . _ + - @ stay, a dot at the front and every other
 * byte become =XX, the empty value "=". Different values give different parts, but for the case of letters. Returns false,
 * out as it was, when it does not fit.
 */
bool path_append_value(struct buf *out, struct str value);

/*
 * Copies path to dst, of size bytes, with doubled and trailing slashes and "." components left out; a leading slash stays.
 * Returns false when a component is "..", is too long, or dst is too small.
 */
bool path_normalize(struct str path, char *dst, size_t size);

/* Copies the longest part of path, an absolute normalised one, that is a directory today; "/" at least. */
void path_existing(const char *path, char *dst, size_t size);

/*
 * The part of the normalised path that lies below root, without a leading slash; NULL when it does not lie below. A view of
 * path.
 */
const char *path_below(const char *root, const char *path);

/*
 * Opens path, relative and normalised, below dirfd with openat(2)'s flags and mode; O_NOFOLLOW and O_CLOEXEC are added.
 * Returns the descriptor, or -1 with errno set: ELOOP for a symbolic link anywhere.
 */
int path_open(int dirfd, const char *path, int flags, mode_t mode);

/*
 * Opens the directory path below dirfd; "" is dirfd itself. create: missing ones are made with mode 0700 and synced. Returns
 * a descriptor that the caller closes, or -1 with o filled.
 */
int path_open_directory(int dirfd, const char *path, bool create, struct outcome *o);

/* For tests: opens one component at a time, as on a kernel without openat2(2). */
void path_without_openat2(bool without);

#endif
