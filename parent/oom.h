/* SPDX-License-Identifier: ISC */
/*
 * Who the kernel ends first where memory runs out (SECURITY F10): a worker that speaks with strangers, whose end costs its
 * sessions; then those whose end costs a pause of all mail; the parent, which starts the others anew, last of all. Where we
 * may not say so (an ordinary user; a container) everyone stays as started. The pump of the log keeps its parent's rank.
 */
#ifndef PARENT_OOM_H
#define PARENT_OOM_H

#include "common/proto.h"

/* The rank of this process from now on, as a process of that kind; children inherit it. */
void oom_take_rank(enum proto_kind kind);

#endif
