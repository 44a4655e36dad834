/* SPDX-License-Identifier: ISC */
#include "common/config_input.h"

#include <sys/queue.h>

#include <stdlib.h>
#include <string.h>

#include "common/log.h"

enum { FRAMES_MAX = 2 * CONFIG_INCLUDE_MAX + 1 };

/* A byte of a macro's value, and the byte of the text it came from. */
struct macro_byte {
	uint8_t *sight;
	uint8_t *escape; /* sight of the backslash that stood before it, NULL where none did */
	char c;
};

struct macro {
	SLIST_ENTRY(macro) next;
	const char *name;
	bool from_command_line;
	bool exposed; /* some of its value is shown */
	size_t len;
	struct macro_byte bytes[];
};
SLIST_HEAD(macros, macro);

/* One "$name": to be shown as soon as something of the value is. */
struct config_reference {
	struct macro *macro;
	struct config_place place;
	size_t len;
	uint8_t *sights[];
};

/* What is being read: a file or the value of a macro. */
struct frame {
	struct config_source *source;       /* NULL: a macro */
	struct config_reference *reference; /* NULL: a file */
	size_t offset;
	struct config_place place; /* of the next byte, in a file */
	struct config_byte back;   /* read, and given back */
	bool has_back;
};

struct config_input {
	struct config_text *text;
	struct config_arena *arena;
	struct config_errors *errors;

	struct frame frames[FRAMES_MAX];
	size_t frames_count;
	size_t files_open;
	size_t bytes_read;

	struct macros macros;
	size_t macros_count;
	size_t macros_size;
	struct macro *value; /* kept for the next definition */
};

/* --- sight --- */

static void
raise_sight(uint8_t *sight, enum config_sight to)
{
	if (sight != NULL && *sight < to)
		*sight = (uint8_t)to;
}

/*
 * A value of which nothing is shown is masked whole, so that "name = value" stays a definition. Once a part is shown the
 * rest becomes blank, since a mask would join the tokens of the value into one.
 */
static void
expose(struct macro *macro)
{
	size_t i;

	if (macro->exposed)
		return;
	macro->exposed = true;
	for (i = 0; i < macro->len; i++)
		if (*macro->bytes[i].sight == CONFIG_SIGHT_MASKED)
			*macro->bytes[i].sight = CONFIG_SIGHT_HIDDEN;
}

static void
show_reference(struct config_reference *reference)
{
	size_t i;

	for (i = 0; i < reference->len; i++)
		raise_sight(reference->sights[i], CONFIG_SIGHT_SHOWN);
}

void
config_byte_show(const struct config_byte *byte, enum config_sight sight)
{
	if (sight == CONFIG_SIGHT_HIDDEN)
		return;
	if (byte->reference != NULL) {
		show_reference(byte->reference);
		if (sight == CONFIG_SIGHT_SHOWN)
			expose(byte->reference->macro);
	}
	raise_sight(byte->sight, sight);
	if (sight == CONFIG_SIGHT_SHOWN)
		raise_sight(byte->escape, sight);
}

/* --- bytes --- */

static struct config_byte
read_macro(struct frame *frame)
{
	struct macro *macro = frame->reference->macro;
	struct macro_byte *byte = &macro->bytes[frame->offset++];

	return (struct config_byte){ (unsigned char)byte->c, byte->sight, byte->escape, frame->reference,
		frame->reference->place };
}

static bool
at_crlf(const struct frame *frame)
{
	const struct config_source *source = frame->source;

	return source->bytes[frame->offset] == '\r' && frame->offset + 1 < source->len &&
	    source->bytes[frame->offset + 1] == '\n';
}

static struct config_byte
read_file(struct frame *frame)
{
	struct config_source *source = frame->source;
	struct config_byte in = { .c = CONFIG_FILE_END, .place = frame->place };

	if (frame->offset == source->len)
		return in;
	if (at_crlf(frame))
		frame->offset++;
	in.c = (unsigned char)source->bytes[frame->offset];
	in.sight = &source->sights[frame->offset];
	frame->offset++;
	frame->place.column++;
	if (in.c == '\n') {
		frame->place.line++;
		frame->place.column = 1;
	}
	return in;
}

static bool
is_spent(const struct frame *frame)
{
	return frame->source == NULL && !frame->has_back && frame->offset == frame->reference->macro->len;
}

/* The next byte, CRLF being one; the end of a macro's value is no end. */
struct config_byte
config_input_read(struct config_input *input)
{
	struct frame *frame = &input->frames[input->frames_count - 1];

	while (is_spent(frame)) {
		input->frames_count--;
		frame--;
	}
	if (frame->has_back) {
		frame->has_back = false;
		return frame->back;
	}
	if (input->bytes_read++ >= CONFIG_EXPANDED_MAX) {
		if (input->bytes_read == CONFIG_EXPANDED_MAX + 1)
			config_error(input->errors, &frame->place,
			    "more than %d bytes with all macros expanded and files included", CONFIG_EXPANDED_MAX);
		return (struct config_byte){ .c = CONFIG_FILE_END, .place = frame->place };
	}
	return frame->source == NULL ? read_macro(frame) : read_file(frame);
}

/* A byte goes back to where it came from, the top: a value that is pushed over it is read before it. */
void
config_input_give_back(struct config_input *input, struct config_byte byte)
{
	struct frame *frame = &input->frames[input->frames_count - 1];

	frame->back = byte;
	frame->has_back = true;
}

struct config_place
config_input_place(const struct config_input *input)
{
	return input->frames[input->frames_count - 1].place;
}

/* --- macros --- */

static struct macro *
find_macro(const struct config_input *input, const char *name)
{
	struct macro *macro;

	SLIST_FOREACH (macro, &input->macros, next)
		if (strcmp(macro->name, name) == 0)
			return macro;
	return NULL;
}

static struct macro *
macro_new(size_t len)
{
	struct macro *macro = config_must(calloc(1, sizeof(*macro) + len * sizeof(macro->bytes[0])));

	macro->len = len;
	return macro;
}

void
config_input_keep_value(struct config_input *input, const struct config_byte *bytes, size_t count)
{
	size_t i;

	free(input->value);
	input->value = macro_new(count);
	for (i = 0; i < count; i++)
		input->value->bytes[i] = (struct macro_byte){ bytes[i].sight, bytes[i].escape, (char)bytes[i].c };
}

void
config_input_define(struct config_input *input, const char *name, const struct config_place *place)
{
	struct macro *macro = input->value, *old = find_macro(input, name);

	invariant(macro != NULL);
	if (old != NULL && old->from_command_line)
		return;
	if (input->macros_count >= CONFIG_MACROS_MAX || input->macros_size + macro->len > CONFIG_MACRO_TEXT_MAX) {
		config_error(input->errors, place, "macro \"%.64s\": more than %d macros, or %d bytes of their values",
		    name, CONFIG_MACROS_MAX, CONFIG_MACRO_TEXT_MAX);
		return;
	}
	macro->name = name;
	input->value = NULL;
	input->macros_count++;
	input->macros_size += macro->len;
	SLIST_INSERT_HEAD(&input->macros, macro, next);
}

static void
define_from_command_line(struct config_input *input, struct config_source *define)
{
	struct macro *macro = macro_new(define->len);
	size_t i;

	macro->name = config_arena_copy(input->arena, str_of(define->name));
	macro->from_command_line = true;
	for (i = 0; i < define->len; i++) {
		raise_sight(&define->sights[i], CONFIG_SIGHT_MASKED);
		macro->bytes[i] = (struct macro_byte){ &define->sights[i], NULL, define->bytes[i] };
	}
	SLIST_INSERT_HEAD(&input->macros, macro, next);
}

static struct config_reference *
reference_new(struct config_input *input, struct macro *macro, const struct config_byte *bytes, size_t count)
{
	struct config_reference *reference;
	size_t i;

	reference = config_arena_alloc(input->arena, sizeof(*reference) + count * sizeof(reference->sights[0]));
	reference->macro = macro;
	reference->place = bytes[0].place;
	reference->len = count;
	for (i = 0; i < count; i++)
		reference->sights[i] = bytes[i].sight;
	return reference;
}

bool
config_input_expand(
    struct config_input *input, const char *name, const struct config_byte *bytes, size_t count, bool shown)
{
	struct config_reference *reference;
	struct macro *macro = find_macro(input, name);

	if (macro == NULL)
		return false;
	reference = reference_new(input, macro, bytes, count);
	if (shown)
		show_reference(reference);
	invariant(input->frames_count < FRAMES_MAX);
	input->frames[input->frames_count++] = (struct frame){ .reference = reference, .place = reference->place };
	return true;
}

/* --- files --- */

/* "a.conf -> b.conf -> c.conf": how the file at the top came to be included. */
static const char *
name_chain(const struct config_input *input, const char *last)
{
	const char *chain = "";
	size_t i;

	for (i = 0; i < input->frames_count; i++)
		if (input->frames[i].source != NULL)
			chain = config_arena_printf(input->arena, "%s%s -> ", chain, input->frames[i].source->name);
	return config_arena_printf(input->arena, "%s%s", chain, last);
}

static bool
is_open(const struct config_input *input, const struct config_source *source)
{
	size_t i;

	for (i = 0; i < input->frames_count; i++)
		if (input->frames[i].source == source)
			return true;
	return false;
}

static void
push_file(struct config_input *input, struct config_source *source)
{
	const char *name = config_arena_copy(input->arena, str_of(source->name));

	invariant(input->frames_count < FRAMES_MAX);
	input->frames[input->frames_count++] = (struct frame){ .source = source, .place = { name, 1, 1 } };
	input->files_open++;
}

bool
config_input_include(struct config_input *input, const char *path, const struct config_place *place)
{
	struct config_source *source;
	struct error err;

	if (input->files_open >= CONFIG_INCLUDE_MAX)
		return config_error(input->errors, place, "more than %d files included within each other: %s",
		    CONFIG_INCLUDE_MAX, name_chain(input, path));
	source = config_text_file(input->text, path, &err);
	if (source == NULL)
		return config_error(input->errors, place, "failed to include file %s", err.text);
	if (is_open(input, source))
		return config_error(input->errors, place, "file includes itself: %s", name_chain(input, path));
	push_file(input, source);
	return true;
}

bool
config_input_end_file(struct config_input *input)
{
	if (input->files_open == 1)
		return false;
	while (input->frames[--input->frames_count].source == NULL)
		continue;
	input->files_open--;
	return true;
}

struct config_input *
config_input_new(struct config_text *text, struct config_arena *arena, struct config_errors *errors)
{
	struct config_place start = { config_text_main_path(text), 1, 1 };
	struct config_source *source, *define;
	struct config_input *input;
	struct error err;

	source = config_text_file(text, config_text_main_path(text), &err);
	if (source == NULL) {
		config_error(errors, &start, "%s", err.text);
		return NULL;
	}
	input = config_must(calloc(1, sizeof(*input)));
	input->text = text;
	input->arena = arena;
	input->errors = errors;
	SLIST_INIT(&input->macros);
	STAILQ_FOREACH (define, config_text_defines(text), next)
		define_from_command_line(input, define);
	push_file(input, source);
	return input;
}

void
config_input_free(struct config_input *input)
{
	struct macro *macro;

	if (input == NULL)
		return;
	while ((macro = SLIST_FIRST(&input->macros)) != NULL) {
		SLIST_REMOVE_HEAD(&input->macros, next);
		free(macro);
	}
	free(input->value);
	free(input);
}
