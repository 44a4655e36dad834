/* SPDX-License-Identifier: ISC */
/* The commands of posternctl that change something: schedule, hold, release, requeue, bounce, remove, pause, resume, log, stop. */
#ifndef CTL_CHANGE_H
#define CTL_CHANGE_H

#include "ctl/command.h"

command_fn change_schedule;
command_fn change_hold;
command_fn change_release;
command_fn change_requeue;
command_fn change_bounce;
command_fn change_remove;
command_fn change_pause_mda;
command_fn change_pause_mta;
command_fn change_pause_smtp;
command_fn change_resume_mda;
command_fn change_resume_mta;
command_fn change_resume_smtp;
command_fn change_log_brief;
command_fn change_log_verbose;
command_fn change_stop;

#endif
