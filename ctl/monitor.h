/* SPDX-License-Identifier: ISC */
/* The command `monitor`: a line of counters every second, what they grew by and what there is at the moment. */
#ifndef CTL_MONITOR_H
#define CTL_MONITOR_H

#include "ctl/command.h"

command_fn monitor;

#endif
