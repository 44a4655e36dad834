/* SPDX-License-Identifier: ISC */
/*
 * What the whole parent knows: the configuration, how it was started, the keys that it made. Set by main before anything
 * else runs, read by all.
 */
#ifndef PARENT_DAEMON_H
#define PARENT_DAEMON_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/config.h"
#include "common/log.h"
#include "common/proto.h"
#include "common/seal.h"

struct daemon {
	const struct config *config;
	struct buf config_whole; /* config_text_encode of each view */
	struct buf config_blanked;
	bool privileged; /* started as root */
	bool foreground;
	bool trace_proto;
	enum log_level level;
	char ticket_key[PROTO_KEY_MAX];
	char statement_key[PROTO_KEY_MAX];
	struct seal *statements;
	struct msg_pause paused;
};

extern struct daemon postern;

#endif
