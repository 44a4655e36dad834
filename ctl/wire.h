/* SPDX-License-Identifier: ISC */
/* posternctl's end of the control socket: one request at a time, its answer taken message by message. */
#ifndef CTL_WIRE_H
#define CTL_WIRE_H

#include <stdbool.h>

#include "common/error.h"
#include "common/proto.h"

struct wire;

/*
 * Connects to the control socket. Returns fresh; NULL with err set, ERROR_TEMPORARY, when nobody answers there.
 */
struct wire *wire_open(const char *path, struct error *err);

/* Accepts NULL. */
void wire_close(struct wire *w);

/* Sends a request: msg is the struct of its type. Returns false and sets err when it cannot be sent. */
bool wire_ask(struct wire *w, enum proto_type type, const void *msg, struct error *err);

/* wire_ask with the struct's type checked. */
#define WIRE_ASK(w, NAME, name, err, ...) \
	wire_ask((w), PROTO_##NAME##_TYPE, &(const struct msg_##name){ __VA_ARGS__ }, (err))

/*
 * Waits for the next message of the answer, as long as it is in work: its views end with the next call. Returns false and
 * sets err when none comes, and for an ANSWER_END that says no: err is then its text.
 */
bool wire_next(struct wire *w, enum proto_type *type, union proto_message *msg, struct error *err);

/* The whole of an answer that is only an ANSWER_END. */
bool wire_end(struct wire *w, union proto_message *msg, struct error *err);

#endif
