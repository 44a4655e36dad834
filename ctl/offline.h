/* SPDX-License-Identifier: ISC */
/*
 * What posternctl does on a spool that no daemon uses: check-spool, export, restore. The work is queue's (queue -C), which
 * it executes and which gives up all rights but those to the spool; what else is read or written posternctl opens, as who
 * called it.
 */
#ifndef CTL_OFFLINE_H
#define CTL_OFFLINE_H

#include "ctl/command.h"

command_fn offline_check;
command_fn offline_export;
command_fn offline_restore;

#endif
