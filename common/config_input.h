/* SPDX-License-Identifier: ISC */
/*
 * The bytes of the configuration in the order they are read: of the main file, of files where they are included, of
 * macros where they are expanded. Each byte knows its place, and its sight (common/config_text.h): whoever finds out what
 * it is for says who may see it.
 */
#ifndef COMMON_CONFIG_INPUT_H
#define COMMON_CONFIG_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "common/config_arena.h"
#include "common/config_errors.h"
#include "common/config_text.h"

#define CONFIG_MACROS_MAX     4096               /* definitions, redefinitions counted */
#define CONFIG_MACRO_TEXT_MAX (1024 * 1024)      /* bytes of all values together */
#define CONFIG_EXPANDED_MAX   (16 * 1024 * 1024) /* bytes read, macros and repeated includes counted each time */

#define CONFIG_FILE_END -1

struct config_reference; /* one "$name" */

struct config_byte {
	int c; /* CONFIG_FILE_END at the end of a file */
	uint8_t *sight;
	uint8_t *escape;                    /* sight of the backslash before it, NULL where none was */
	struct config_reference *reference; /* whose value it is of, NULL for a byte of a file */
	struct config_place place;          /* that of the "$" for a byte of a macro */
};

struct config_input;

/* At the beginning of the main file. Borrows all three. Returns fresh, NULL after an error was reported. */
struct config_input *config_input_new(
    struct config_text *text, struct config_arena *arena, struct config_errors *errors);

void config_input_free(struct config_input *input);

/* The next byte, CRLF being one. The end of a macro's value is no end: what follows the "$name" follows it. */
struct config_byte config_input_read(struct config_input *input);

/* Makes the byte just read the next one again. */
void config_input_give_back(struct config_input *input, struct config_byte byte);

/* Where the next byte of the file stands. */
struct config_place config_input_place(const struct config_input *input);

/* Goes on with the file named. Returns false after an error was reported. */
bool config_input_include(struct config_input *input, const char *path, const struct config_place *place);

/* After CONFIG_FILE_END: goes on with the file that included it. Returns false when it was the main file. */
bool config_input_end_file(struct config_input *input);

/* Keeps bytes, as they are now, to be the value of the next macro defined. */
void config_input_keep_value(struct config_input *input, const struct config_byte *bytes, size_t count);

/* Gives the value kept to the macro of that name, which is kept, too. One of the command line stays as it is. */
void config_input_define(struct config_input *input, const char *name, const struct config_place *place);

/*
 * Goes on with the value of the macro, for the "$name" in bytes. shown says whether others may see that much. Returns
 * false when there is no such macro.
 */
bool config_input_expand(
    struct config_input *input, const char *name, const struct config_byte *bytes, size_t count, bool shown);

/* Lets others see as much of the byte, and of the "$name" that brought it in. */
void config_byte_show(const struct config_byte *byte, enum config_sight sight);

#endif
