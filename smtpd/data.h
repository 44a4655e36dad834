/* SPDX-License-Identifier: ISC */
/*
 * The framing of a message after DATA (RFC 5321 section 4.1.1.4, 4.5.2): bytes of the wire become bytes of the message.
 * One line grammar: a line ends in CR LF and nothing else, the message ends in CR LF "." CR LF and nothing else. A CR or LF
 * by itself is never an end and never repaired: the message that holds one is refused, after its true end, so nothing
 * behind it is taken for a command that was meant as text (SECURITY.md S01 to S03).
 */
#ifndef SMTPD_DATA_H
#define SMTPD_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/proto_table.h"

enum data_state { DATA_LINE_START, DATA_DOT, DATA_DOT_CR, DATA_TEXT, DATA_CR };

/* Why a message will be refused at its end; the first that is found stays. */
enum data_flaw {
	DATA_SOUND,
	DATA_BARE,    /* a CR or LF by itself */
	DATA_TOO_BIG, /* larger than the limit */
	DATA_LINE_TOO_LONG,
	DATA_HEADER_TOO_BIG,
	DATA_TOO_MANY_HOPS
};

struct data {
	enum data_state state;
	enum data_flaw flaw;
	uint64_t size; /* bytes of the message so far, after dots were removed */
	uint64_t size_max;
	size_t line_len; /* of the current line */
	bool in_header;
	size_t header_len;
	unsigned fields;
	unsigned hops;          /* Received fields */
	const struct str *name; /* of a field that is looked for, which the current line may begin with; else NULL */
	size_t matched;         /* bytes of it that were seen */
	bool in_message_id;     /* the current line is of the Message-ID */
	bool has_message_id;    /* its first field was seen */
	size_t message_id_len;
	char message_id[PROTO_MESSAGE_ID_MAX];
};

/* At the first byte after 354. size_max in bytes. */
void data_init(struct data *d, uint64_t size_max);

/*
 * Takes bytes from *in and appends the message's bytes to out, until *in is empty, out has reached its maximum, or the end
 * is found; *in is what was not taken. Returns true at the end; what follows it stays in *in. A flawed message's bytes are
 * dropped.
 */
bool data_take(struct data *d, struct str *in, struct buf *out);

/*
 * The value of the Message-ID as it stands, unfolded, its bytes that are not printable ASCII as "?", cut at
 * PROTO_MESSAGE_ID_MAX; empty where there is none. A view of d.
 */
struct str data_message_id(const struct data *d);

#endif
