/* SPDX-License-Identifier: ISC */
/*
 * What other processes may ask of the parent, all of it: the queue a mailbox process, by a statement of the router's under
 * a MAC; control a stop, a pause, a level of the log. Nothing of it is interpreted beyond a fixed set of values.
 */
#ifndef PARENT_REQUESTS_H
#define PARENT_REQUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "parent/family.h"

/* Looks up once what no request may make root's loop wait for. */
void requests_init(void);

/* Returns false when the message is none of these: the child broke the rules. */
bool requests_handle(struct child *child, enum proto_type type, uint64_t id, const union proto_message *msg);

/* A mailbox process is gone: the queue hears of it. status is of waitpid(2). */
void requests_mailbox_ended(uint64_t number, int status);

#endif
