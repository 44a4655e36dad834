/* SPDX-License-Identifier: ISC */
#include "router/reply.h"

static const struct reply_row rows[REPLY_COUNT] = {
#define R(name, code, enhanced, text) [REPLY_##name] = { code, enhanced, text },
	REPLIES(R)
#undef R
};

const struct reply_row *
reply_row(enum reply reply)
{
	return &rows[reply];
}
