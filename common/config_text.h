/* SPDX-License-Identifier: ISC */
/*
 * The text of a configuration as a bundle: the files, each read once, the macros of the command line, and the ports of
 * the services that were looked up; with it a process without a file system parses what the parent parsed.
 *
 * Each byte of it has a sight, how much of it other processes than the router may see. All bytes begin hidden; the lexer
 * shows those of the tokens that it hands out outside of tables. So nothing gets into the blanked view that was not used
 * there: neither contents of tables, nor comments, nor macros that serve tables only.
 */
#ifndef COMMON_CONFIG_TEXT_H
#define COMMON_CONFIG_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/config.h"
#include "common/error.h"
#include "common/str.h"

enum config_sight {
	CONFIG_SIGHT_HIDDEN, /* a blank in the blanked view */
	CONFIG_SIGHT_MASKED, /* an "x": the value is secret, that there is one is not */
	CONFIG_SIGHT_SHOWN
};

/* A file of the bundle, or a macro of the command line. */
struct config_source {
	STAILQ_ENTRY(config_source) next;
	char *name;
	char *bytes; /* not terminated, NULL when empty */
	size_t len;
	uint8_t *sights; /* an enum config_sight for each byte; NULL when empty */
};
STAILQ_HEAD(config_sources, config_source);

const char *config_text_main_path(const struct config_text *text);

/* True for a bundle that was decoded from the blanked view. */
bool config_text_is_blanked(const struct config_text *text);

/*
 * The file of that name: of the bundle or, where the bundle may, read from disk. It must be a regular file that belongs
 * to root or to us and that nobody else may write. Returns a view that lives as long as text; NULL with err set.
 */
struct config_source *config_text_file(struct config_text *text, const char *name, struct error *err);

/* The macros of the command line, in the order they were given. */
struct config_sources *config_text_defines(struct config_text *text);

/* The TCP port of a service by name, 0 when there is none. */
uint16_t config_text_service(struct config_text *text, const char *name);

/* To be called when the text was parsed without error: only now the sights are complete. */
void config_text_set_parsed(struct config_text *text);

#endif
