/* SPDX-License-Identifier: ISC */
/*
 * Why a recipient was put off or refused, as data (enum proto_cause): read from the reply, code first, then enhanced status
 * code, then words that servers in use say. It decides what an administrator is told and nothing about the delivery, so a
 * server gains nothing by choosing its words.
 */
#ifndef RELAY_CAUSE_H
#define RELAY_CAUSE_H

#include "common/proto.h"
#include "relay/reply.h"

/* The cause of a reply that a server gave, of 4xx or 5xx: ANSWER where nothing says more. */
enum proto_cause cause_of_answer(const struct reply *reply);

#endif
