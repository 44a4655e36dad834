/* SPDX-License-Identifier: ISC */
/*
 * Users of the system, by the C library and whatever it is told to ask (files, LDAP, sssd): name, numbers, groups, home. No
 * password is looked at.
 */
#ifndef ROUTER_PASSWD_H
#define ROUTER_PASSWD_H

#include <stdint.h>

#include "common/proto.h"
#include "common/str.h"

struct passwd_user {
	enum proto_answer status; /* TEMPORARY: the data base could not be asked. The others only where FOUND */
	uint32_t uid, gid;
	uint32_t groups[PROTO_GROUPS_MAX]; /* the first ones, where there are more; with gid */
	size_t groups_count;
	char home[PROTO_TEXT_MAX + 1];
};

/* Looks the user up. May take as long as the data base does. */
void passwd_find(struct str name, struct passwd_user *out);

#endif
