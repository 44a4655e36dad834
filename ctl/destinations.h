/* SPDX-License-Identifier: ISC */
/* The commands of posternctl about destinations: show destinations, show queue --by, suspend and resume. */
#ifndef CTL_DESTINATIONS_H
#define CTL_DESTINATIONS_H

#include "ctl/command.h"

command_fn show_destinations;
command_fn show_queue_by; /* options->by says by what */
command_fn suspend_destination;
command_fn resume_destination;

#endif
