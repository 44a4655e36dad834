/* SPDX-License-Identifier: ISC */
/* The commands of posternctl that look: show status, queue, envelope, message and stats. */
#ifndef CTL_SHOW_H
#define CTL_SHOW_H

#include "ctl/command.h"

command_fn show_status;
command_fn show_queue;
command_fn show_envelope;
command_fn show_message;
command_fn show_stats;

#endif
