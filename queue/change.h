/* SPDX-License-Identifier: ISC */
/*
 * What is done by hand with recipients in the queue: tried now, held, released, routed again, given up, removed. Those that
 * wait are taken out of the schedule's hands and get an outcome like that of an attempt, which is on disk when it is told;
 * what is being delivered cannot be stopped, and is said to be. A bounded number of outcomes is on its way to disk at a
 * time, so mail goes on meanwhile.
 */
#ifndef QUEUE_CHANGE_H
#define QUEUE_CHANGE_H

#include <stdbool.h>

#include "common/process.h"

bool change_recipients(struct peer *peer, uint64_t id, const union proto_message *msg, int fd);

#endif
