/* SPDX-License-Identifier: ISC */
/* The commands that tell what happened: history, of all mail that may be seen; why, of one message. */
#ifndef CTL_HISTORY_H
#define CTL_HISTORY_H

#include "ctl/command.h"

command_fn history_show, history_why;

#endif
