/* SPDX-License-Identifier: ISC */
/* posternctl backup: a copy of the running queue into a new file, or to standard output. */
#ifndef CTL_BACKUP_H
#define CTL_BACKUP_H

#include "ctl/command.h"

command_fn backup;

#endif
