/* SPDX-License-Identifier: ISC */
#include "router/passwd.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

enum { ENTRY_MIN = 1024, ENTRY_MAX = 1024 * 1024 }; /* bytes of one entry of the data base */

/* getgrouplist says how many there are; it fills in as many as there is room for. */
static void
find_groups(const char *name, struct passwd_user *out)
{
	gid_t groups[PROTO_GROUPS_MAX];
	int count = PROTO_GROUPS_MAX, i;

	if (getgrouplist(name, out->gid, groups, &count) == -1) {
		log_warning("groups", log_text(LOG_FIELD_user, name), log_u64(LOG_FIELD_count, (uint64_t)count),
		    log_text(LOG_FIELD_reason, "more groups than are used: only the first ones count"));
		count = PROTO_GROUPS_MAX;
	}
	for (i = 0; i < count; i++)
		out->groups[i] = groups[i];
	out->groups_count = (size_t)count;
}

/* Some modules say that there is no such user by an error. */
static bool
means_none(int error)
{
	return error == 0 || error == ENOENT || error == ESRCH;
}

static void
take(const char *name, const struct passwd *entry, struct passwd_user *out)
{
	if (entry->pw_dir == NULL || strlcpy(out->home, entry->pw_dir, sizeof(out->home)) >= sizeof(out->home)) {
		out->home[0] = '\0';
		out->status = PROTO_ANSWER_TEMPORARY;
		return;
	}
	out->status = PROTO_ANSWER_FOUND;
	out->uid = entry->pw_uid;
	out->gid = entry->pw_gid;
	find_groups(name, out);
}

void
passwd_find(struct str name, struct passwd_user *out)
{
	char text[PROTO_USER_MAX + 1];
	struct passwd entry, *found = NULL;
	size_t size = ENTRY_MIN;
	char *room = NULL;
	int error = ERANGE;

	*out = (struct passwd_user){ .status = PROTO_ANSWER_NONE };
	if (name.len == 0 || !str_copy(name, text, sizeof(text)))
		return;
	while (error == ERANGE && size <= ENTRY_MAX) {
		free(room);
		room = malloc(size);
		error = room == NULL ? ENOMEM : getpwnam_r(text, &entry, room, size, &found);
		size *= 2;
	}
	if (found != NULL)
		take(text, found, out);
	else if (!means_none(error)) {
		log_warning("userdb", log_text(LOG_FIELD_user, text), log_text(LOG_FIELD_error, strerror(error)));
		out->status = PROTO_ANSWER_TEMPORARY;
	}
	free(room);
}
