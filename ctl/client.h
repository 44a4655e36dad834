/* SPDX-License-Identifier: ISC */
/*
 * The connections to the control socket: few, few of one user, one slot kept for root; each asks one thing at a time, and
 * everything about it has its deadline, so that local users can neither hang nor fill control (SECURITY U01). What is asked
 * is judged by verbs.h and goes to those who know; their answers find the client by the request's number.
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/process.h"

/* Watches the listening socket, which it takes. Connections are accepted from client_start on. */
void client_listen(int fd);
void client_start(void);

/* Closes the socket and all connections. */
void client_stop(void);

/* What the parent says is paused. */
void client_set_paused(const struct msg_pause *pause);

/*
 * A part of an answer, or its end, has come from peer. One whose client has gone is ignored. Returns false when nobody may
 * answer so: a request that was never made, or not of this peer, a part that does not belong to it, too many of them, mail of
 * another owner.
 */
bool client_answer(struct peer *peer, uint64_t id, enum proto_type type, const union proto_message *msg);

/* peer will not answer any more. */
void client_peer_gone(const struct peer *peer);

size_t client_count(void);

#endif
