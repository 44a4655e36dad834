/* SPDX-License-Identifier: ISC */
/*
 * The router among its peers: what it opens, who may ask it what, and whose sessions are whose. The table of handlers is all
 * that a message from another process can reach.
 */
#ifndef ROUTER_HANDLERS_H
#define ROUTER_HANDLERS_H

#include "common/process.h"

extern const struct process router_process;

#endif
