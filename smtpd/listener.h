/* SPDX-License-Identifier: ISC */
/*
 * The sockets that connections come in by. All workers accept on the same sockets, one connection a turn, so that the one
 * which has time gets it.
 */
#ifndef SMTPD_LISTENER_H
#define SMTPD_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/loop.h"
#include "common/str.h"

struct listener {
	const struct config_listener *config;
	char name[128];
	int fd;
	uint64_t index; /* in the configuration, told to router */
	struct loop_fd readable;
	struct listener *next;
};

/* Takes fd. At start, before the configuration is bound to it by listener_configure. */
void listener_add(uint64_t index, struct str name, int fd);
void listener_configure(const struct config *config);

/* Accepting starts when it was said so and not paused. */
void listener_start(void);
void listener_pause(bool paused);
void listener_stop(void); /* for good */

#endif
