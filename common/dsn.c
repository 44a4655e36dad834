/* SPDX-License-Identifier: ISC */
#include "common/dsn.h"

#include <string.h>

#include "common/proto.h"
#include "common/xtext.h"

/* A report names the decoded value in its header: a byte of control in it would be a line there. */
static bool
is_printable_xtext(struct str s)
{
	char bytes[PROTO_ORCPT_MAX];
	size_t i, len = xtext_decode(s, bytes, sizeof(bytes));

	for (i = 0; i < len; i++)
		if (!ascii_is_printable(bytes[i]))
			return false;
	return len > 0;
}

/* RFC 5322 section 3.2.3. */
static bool
is_atom(struct str s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (!ascii_is_printable(s.ptr[i]) || strchr(" ()<>[]:;@\\,.\"", s.ptr[i]) != NULL)
			return false;
	return s.len > 0;
}

bool
dsn_is_envid(struct str value)
{
	return value.len <= PROTO_ENVID_MAX && is_printable_xtext(value);
}

bool
dsn_is_orcpt(struct str value)
{
	struct str type, address;

	return value.len <= PROTO_ORCPT_MAX && str_cut(value, ';', &type, &address) && is_atom(type) &&
	    is_printable_xtext(address);
}

bool
dsn_is_notify(uint64_t set)
{
	return set > 0 && set <= PROTO_NOTIFY_MAX && ((set & PROTO_NOTIFY_NEVER) == 0 || set == PROTO_NOTIFY_NEVER);
}
