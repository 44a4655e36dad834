/* SPDX-License-Identifier: ISC */
/* The client's side of one SMTP connection to the local socket: commands out, replies in, everything bounded. */
#ifndef CTL_DIALOGUE_H
#define CTL_DIALOGUE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/str.h"

#define DIALOGUE_TEXT_MAX 511

struct reply {
	unsigned code;                    /* 0: none came */
	char text[DIALOGUE_TEXT_MAX + 1]; /* of the last line, with its enhanced status code */
};

struct dialogue {
	int fd;
	bool verbose;
	struct buf in;
	bool offers_8bit; /* EHLO's answer */
	bool offers_size;
	bool offers_dsn;
};

/* Connects; no greeting is read. Returns false and sets err, ERROR_TEMPORARY. */
bool dialogue_open(struct dialogue *d, const char *socket, bool verbose, struct error *err);
void dialogue_close(struct dialogue *d);

/* Reads one reply. Returns false and sets err, ERROR_PEER, when the connection ends or something else comes. */
bool dialogue_read(struct dialogue *d, struct reply *out, struct error *err);

/* Sends a line (without CRLF) and reads its reply; EHLO notes what is offered. Failure as above. */
bool dialogue_command(struct dialogue *d, struct reply *out, struct error *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Sends bytes as they are. Failure as above. */
bool dialogue_send(struct dialogue *d, struct str bytes, struct error *err);

#endif
