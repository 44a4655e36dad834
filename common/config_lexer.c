/* SPDX-License-Identifier: ISC */
#include "common/config_lexer.h"

#include <sys/queue.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_build.h"
#include "common/config_grammar.h"
#include "common/config_text.h"
#include "common/config_words.h"
#include "common/log.h"

enum { MACRO_NAME_MAX = 255, FRAMES_MAX = 2 * CONFIG_INCLUDE_MAX + 1, FILE_END = -1 };

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

/* One "$name": to be shown as soon as something of the value is. */
struct reference {
	struct macro *macro;
	struct config_place place;
	size_t len;
	uint8_t *sights[];
};

struct input {
	int c; /* FILE_END at the end of a file */
	uint8_t *sight;
	uint8_t *escape;
	struct reference *reference;
	struct config_place place;
};

/* What is being read: a file or the value of a macro. */
struct frame {
	struct config_source *source; /* NULL: a macro */
	struct reference *reference;  /* NULL: a file */
	size_t offset;
	struct config_place place; /* of the next byte, in a file */
	struct input back;         /* read, and given back */
	bool has_back;
};

struct config_lexer {
	struct config_text *text;
	struct config_arena *arena;
	struct config_errors *errors;

	struct frame frames[FRAMES_MAX];
	size_t frames_count;
	size_t files_open;
	size_t bytes_read;

	struct input bytes[CONFIG_STRING_MAX + 2]; /* of the current token; for the closing quote and a NUL, too */
	size_t bytes_count;
	size_t quotes; /* bytes at both ends of it that are quotes: 0 or 1 each */

	SLIST_HEAD(, macro) macros;
	size_t macros_count;
	size_t macros_size;
	struct macro *value; /* read for the next definition */

	int previous; /* token */
	struct config_statement statement;
	size_t statement_tokens;
	unsigned depth;       /* of braces */
	unsigned table_depth; /* of braces, from the first that opened a table */
	bool newline_due;     /* a file has just been included */
	bool complained;      /* about this statement */
	bool skipping;        /* to the end of the braces a syntax error was found in */
	bool has_held;        /* a token read ahead while skipping */
	int held;
	struct config_token held_token;
};

struct keyword {
	const char *word;
	int token;
};

struct own_word {
	const char *word;
	int token;
	int after;
};

#define KEYWORD(word, token) { word, token },
static const struct keyword keywords[] = { CONFIG_KEYWORDS(KEYWORD) };
#define OWN_WORD(word, token, after) { word, token, after },
static const struct own_word own_words[] = { CONFIG_OWN_WORDS(OWN_WORD) };

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
show_reference(struct reference *reference)
{
	size_t i;

	for (i = 0; i < reference->len; i++)
		raise_sight(reference->sights[i], CONFIG_SIGHT_SHOWN);
}

static void
set_sight(const struct input *in, enum config_sight sight)
{
	if (sight == CONFIG_SIGHT_HIDDEN)
		return;
	if (in->reference != NULL) {
		show_reference(in->reference);
		if (sight == CONFIG_SIGHT_SHOWN)
			expose(in->reference->macro);
	}
	raise_sight(in->sight, sight);
	raise_sight(in->escape, CONFIG_SIGHT_SHOWN);
}

/* How much of the token just read the other processes may see; before it is noted as the previous one. */
static enum config_sight
sight_of(const struct config_lexer *l, int token)
{
	if (l->table_depth > 0)
		return CONFIG_SIGHT_HIDDEN;
	if (token != STRING)
		return CONFIG_SIGHT_SHOWN;
	if (l->statement_tokens == 2 && l->previous == '=')
		return CONFIG_SIGHT_MASKED;
	if (l->previous == ENCRYPTION)
		return CONFIG_SIGHT_MASKED;
	if (l->statement.first == SRS && (l->previous == KEY || l->previous == BACKUP))
		return CONFIG_SIGHT_MASKED;
	return CONFIG_SIGHT_SHOWN;
}

static void
show_token(struct config_lexer *l, int token)
{
	enum config_sight sight = sight_of(l, token);
	bool is_quote;
	size_t i;

	for (i = 0; i < l->bytes_count; i++) {
		is_quote = l->quotes > 0 && (i == 0 || i == l->bytes_count - 1);
		set_sight(&l->bytes[i], sight == CONFIG_SIGHT_MASKED && is_quote ? CONFIG_SIGHT_SHOWN : sight);
	}
}

/* --- bytes --- */

static struct input
read_macro(struct frame *frame)
{
	struct macro *macro = frame->reference->macro;
	struct macro_byte *byte = &macro->bytes[frame->offset++];

	return (struct input){ (unsigned char)byte->c, byte->sight, byte->escape, frame->reference,
		frame->reference->place };
}

static bool
at_crlf(const struct frame *frame)
{
	const struct config_source *source = frame->source;

	return source->bytes[frame->offset] == '\r' && frame->offset + 1 < source->len &&
	    source->bytes[frame->offset + 1] == '\n';
}

static struct input
read_file(struct frame *frame)
{
	struct config_source *source = frame->source;
	struct input in = { .c = FILE_END, .place = frame->place };

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
static struct input
read_byte(struct config_lexer *l)
{
	struct frame *frame = &l->frames[l->frames_count - 1];

	while (is_spent(frame)) {
		l->frames_count--;
		frame--;
	}
	if (frame->has_back) {
		frame->has_back = false;
		return frame->back;
	}
	if (l->bytes_read++ >= CONFIG_EXPANDED_MAX) {
		if (l->bytes_read == CONFIG_EXPANDED_MAX + 1)
			config_error(l->errors, &frame->place,
			    "more than %d bytes with all macros expanded and files included", CONFIG_EXPANDED_MAX);
		return (struct input){ .c = FILE_END, .place = frame->place };
	}
	return frame->source == NULL ? read_macro(frame) : read_file(frame);
}

/* A byte goes back to where it came from, the top: a value that is pushed over it is read before it. */
static void
give_back(struct config_lexer *l, struct input in)
{
	struct frame *frame = &l->frames[l->frames_count - 1];

	frame->back = in;
	frame->has_back = true;
}

/* Outside of tables a backslash is of no interest to hide, and joined lines and words have to stay joined. */
static void
show_backslash(const struct config_lexer *l, const struct input *in)
{
	if (l->table_depth == 0)
		set_sight(in, CONFIG_SIGHT_SHOWN);
}

/* The next byte outside of quotes: a backslash joins lines, and before any other byte it yields that byte. */
static struct input
read_unquoted(struct config_lexer *l)
{
	struct input in;

	while ((in = read_byte(l)).c == '\\') {
		show_backslash(l, &in);
		in = read_byte(l);
		if (in.c != '\n')
			break;
	}
	return in;
}

static bool
keep_byte(struct config_lexer *l, struct input in)
{
	if (l->bytes_count >= CONFIG_STRING_MAX)
		return false;
	l->bytes[l->bytes_count++] = in;
	return true;
}

/* --- tokens --- */

static bool
may_begin_word(int c)
{
	return c > 0 && c < 0x80 && (ascii_is_alpha((char)c) || ascii_is_digit((char)c) || c == ':' || c == '_');
}

static bool
may_be_in_word(int c)
{
	return c > 0x20 && c < 0x7f && strchr("(){}<>!=#,", c) == NULL;
}

static bool
may_end_number(int c)
{
	return c == FILE_END || c == ' ' || c == '\t' || c == '\n' || c == ')' || c == ',' || c == '/' || c == '}' ||
	    c == '=';
}

/* The bytes of the token from index skip on, without as many at the end. */
static char *
copy_bytes(struct config_lexer *l, size_t skip)
{
	size_t len = l->bytes_count - 2 * skip;
	char *text = config_arena_alloc(l->arena, len + 1);
	size_t i;

	for (i = 0; i < len; i++)
		text[i] = (char)l->bytes[skip + i].c;
	return text;
}

/* One complaint a statement: what follows in it is likely to be an echo. */
static int __attribute__((format(printf, 3, 4)))
complain(struct config_lexer *l, const struct config_place *place, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (l->complained)
		return LEXICAL_ERROR;
	l->complained = true;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	config_error(l->errors, place, "%s", text);
	return LEXICAL_ERROR;
}

static int
compare_keyword(const void *word, const void *keyword)
{
	return strcmp(word, ((const struct keyword *)keyword)->word);
}

static const struct keyword *
find_keyword(const char *word)
{
	return bsearch(word, keywords, sizeof(keywords) / sizeof(keywords[0]), sizeof(keywords[0]), compare_keyword);
}

bool
config_lexer_is_keyword(const char *word)
{
	return find_keyword(word) != NULL;
}

static int
classify_word(const struct config_lexer *l, const char *word)
{
	const struct keyword *keyword = find_keyword(word);
	size_t i;

	if (keyword != NULL)
		return keyword->token;
	for (i = 0; i < sizeof(own_words) / sizeof(own_words[0]); i++)
		if (own_words[i].after == l->previous && l->depth == 0 && strcmp(own_words[i].word, word) == 0)
			return own_words[i].token;
	return STRING;
}

static int
scan_word(struct config_lexer *l, struct config_token *out)
{
	struct input in;

	while (may_be_in_word((in = read_unquoted(l)).c))
		if (!keep_byte(l, in))
			return complain(l, &out->place, "word too long, expected at most %d bytes", CONFIG_STRING_MAX);
	give_back(l, in);
	out->text = copy_bytes(l, 0);
	return classify_word(l, out->text);
}

static int
finish_number(struct config_lexer *l, struct config_token *out)
{
	char *end;

	out->text = copy_bytes(l, 0);
	errno = 0;
	out->number = strtoll(out->text, &end, 10);
	if (errno != 0 || *end != '\0')
		return complain(l, &out->place, "\"%.40s\" invalid number: too %s", out->text,
		    out->text[0] == '-' ? "small" : "large");
	return NUMBER;
}

/* The token begins with a digit or "-": a number if it also ends like one, else a word. */
static int
scan_number(struct config_lexer *l, struct config_token *out)
{
	struct input in;

	while ((in = read_unquoted(l)).c != FILE_END && in.c < 0x80 && ascii_is_digit((char)in.c))
		if (!keep_byte(l, in))
			return complain(l, &out->place, "number too long");
	give_back(l, in);
	if (l->bytes[0].c == '-' && (l->bytes_count == 1 || !may_end_number(in.c)))
		return complain(l, &out->place, "unexpected \"-\": quote a value that begins with it");
	return may_end_number(in.c) ? finish_number(l, out) : scan_word(l, out);
}

/* What follows a backslash within quotes; false when the backslash stands for itself. */
static bool
is_escaped(int c, int quote)
{
	return c == quote || c == ' ' || c == '\t';
}

/* The next byte within quotes, where the closing quote is told apart from one behind a backslash by *closing. */
static struct input
read_quoted(struct config_lexer *l, int quote, bool *closing)
{
	struct input in, after;

	*closing = false;
	for (;;) {
		in = read_byte(l);
		if (in.c == '\n')
			continue;
		if (in.c != '\\') {
			*closing = in.c == quote;
			return in;
		}
		after = read_byte(l);
		if (after.c == '\n') {
			show_backslash(l, &in);
			continue;
		}
		if (!is_escaped(after.c, quote)) {
			give_back(l, after);
			return in;
		}
		/* There is room to remember one backslash; two before one byte come only from a macro quoted twice. */
		raise_sight(after.escape, CONFIG_SIGHT_SHOWN);
		after.escape = in.sight;
		return after;
	}
}

/* Reads on to the closing quote of a string that is refused, so that its rest is not taken for statements. */
static void
skip_quoted(struct config_lexer *l, int quote)
{
	struct input in;
	bool closing;

	do
		in = read_quoted(l, quote, &closing);
	while (!closing && in.c != FILE_END);
	if (in.c == FILE_END)
		give_back(l, in);
}

static int
scan_quoted(struct config_lexer *l, struct config_token *out)
{
	int quote = l->bytes[0].c;
	struct input in;
	bool closing;

	for (;;) {
		in = read_quoted(l, quote, &closing);
		if (closing)
			break;
		if (in.c == FILE_END) {
			give_back(l, in);
			return complain(l, &out->place, "reached end of file while parsing quoted string");
		}
		if (in.c == '\0') {
			skip_quoted(l, quote);
			return complain(l, &in.place, "NUL byte in quoted string");
		}
		if (l->bytes_count > CONFIG_STRING_MAX) {
			skip_quoted(l, quote);
			return complain(
			    l, &out->place, "string too long, expected at most %d bytes", CONFIG_STRING_MAX);
		}
		l->bytes[l->bytes_count++] = in;
	}
	l->bytes[l->bytes_count++] = in;
	l->quotes = 1;
	out->quoted = true;
	out->text = copy_bytes(l, 1);
	return STRING;
}

/* --- macros --- */

static struct macro *
find_macro(const struct config_lexer *l, const char *name)
{
	struct macro *macro;

	SLIST_FOREACH (macro, &l->macros, next)
		if (strcmp(macro->name, name) == 0)
			return macro;
	return NULL;
}

static struct macro *
macro_new(size_t len)
{
	struct macro *macro = calloc(1, sizeof(*macro) + len * sizeof(macro->bytes[0]));

	if (macro == NULL)
		fatal("config: out of memory");
	macro->len = len;
	return macro;
}

/* Keeps the string just read, with where its bytes came from, for config_lexer_define. */
static void
keep_value(struct config_lexer *l)
{
	size_t i, len = l->bytes_count - 2 * l->quotes;

	free(l->value);
	l->value = macro_new(len);
	for (i = 0; i < len; i++) {
		struct input *in = &l->bytes[l->quotes + i];

		l->value->bytes[i] = (struct macro_byte){ in->sight, in->escape, (char)in->c };
	}
}

void
config_lexer_define(struct config_lexer *l, const struct config_token *name)
{
	struct macro *macro = l->value, *old = find_macro(l, name->text);

	invariant(macro != NULL);
	if (old != NULL && old->from_command_line)
		return;
	if (l->macros_count >= CONFIG_MACROS_MAX || l->macros_size + macro->len > CONFIG_MACRO_TEXT_MAX) {
		config_error(l->errors, &name->place,
		    "macro \"%.64s\": more than %d macros, or %d bytes of their values", name->text, CONFIG_MACROS_MAX,
		    CONFIG_MACRO_TEXT_MAX);
		return;
	}
	macro->name = name->text;
	l->value = NULL;
	l->macros_count++;
	l->macros_size += macro->len;
	SLIST_INSERT_HEAD(&l->macros, macro, next);
}

static void
define_from_command_line(struct config_lexer *l, struct config_source *define)
{
	struct macro *macro = macro_new(define->len);
	size_t i;

	macro->name = config_arena_copy(l->arena, str_of(define->name));
	macro->from_command_line = true;
	for (i = 0; i < define->len; i++) {
		raise_sight(&define->sights[i], CONFIG_SIGHT_MASKED);
		macro->bytes[i] = (struct macro_byte){ &define->sights[i], NULL, define->bytes[i] };
	}
	SLIST_INSERT_HEAD(&l->macros, macro, next);
}

static struct reference *
reference_new(struct config_lexer *l, struct macro *macro)
{
	struct reference *reference;
	size_t i;

	reference = config_arena_alloc(l->arena, sizeof(*reference) + l->bytes_count * sizeof(reference->sights[0]));
	reference->macro = macro;
	reference->place = l->bytes[0].place;
	reference->len = l->bytes_count;
	for (i = 0; i < l->bytes_count; i++)
		reference->sights[i] = l->bytes[i].sight;
	return reference;
}

/* A "$" was read: goes on with the value of the macro. Returns false after a complaint. */
static bool
expand(struct config_lexer *l, const struct config_token *at)
{
	struct reference *reference;
	struct macro *macro;
	struct input in;
	const char *name;

	while ((in = read_unquoted(l)).c != FILE_END && in.c < 0x80 &&
	    (ascii_is_alpha((char)in.c) || ascii_is_digit((char)in.c) || in.c == '_')) {
		if (l->bytes_count > MACRO_NAME_MAX) {
			complain(l, &at->place, "macro name too long, expected at most %d bytes", MACRO_NAME_MAX);
			return false;
		}
		keep_byte(l, in);
	}
	give_back(l, in);
	name = copy_bytes(l, 0) + 1;
	macro = find_macro(l, name);
	if (macro == NULL) {
		complain(l, &at->place, "macro '%.64s' not defined", name);
		return false;
	}
	reference = reference_new(l, macro);
	if (l->table_depth == 0)
		show_reference(reference);
	invariant(l->frames_count < FRAMES_MAX);
	l->frames[l->frames_count++] = (struct frame){ .reference = reference, .place = at->place };
	return true;
}

/* --- files --- */

/* "a.conf -> b.conf -> c.conf": how the file at the top came to be included. */
static const char *
name_chain(const struct config_lexer *l, const char *last)
{
	const char *chain = "";
	size_t i;

	for (i = 0; i < l->frames_count; i++)
		if (l->frames[i].source != NULL)
			chain = config_arena_printf(l->arena, "%s%s -> ", chain, l->frames[i].source->name);
	return config_arena_printf(l->arena, "%s%s", chain, last);
}

static bool
is_open(const struct config_lexer *l, const struct config_source *source)
{
	size_t i;

	for (i = 0; i < l->frames_count; i++)
		if (l->frames[i].source == source)
			return true;
	return false;
}

static void
push_file(struct config_lexer *l, struct config_source *source)
{
	const char *name = config_arena_copy(l->arena, str_of(source->name));

	invariant(l->frames_count < FRAMES_MAX);
	l->frames[l->frames_count++] = (struct frame){ .source = source, .place = { name, 1, 1 } };
	l->files_open++;
}

bool
config_lexer_include(struct config_lexer *l, const struct config_token *path)
{
	struct config_source *source;
	struct error err;

	if (l->files_open >= CONFIG_INCLUDE_MAX)
		return config_error(l->errors, &path->place, "more than %d files included within each other: %s",
		    CONFIG_INCLUDE_MAX, name_chain(l, path->text));
	source = config_text_file(l->text, path->text, &err);
	if (source == NULL)
		return config_error(l->errors, &path->place, "failed to include file %s", err.text);
	if (is_open(l, source))
		return config_error(l->errors, &path->place, "file includes itself: %s", name_chain(l, path->text));
	push_file(l, source);
	l->newline_due = true;
	return true;
}

struct config_lexer *
config_lexer_new(struct config_text *text, struct config_arena *arena, struct config_errors *errors)
{
	struct config_place start = { config_text_main_path(text), 1, 1 };
	struct config_source *source, *define;
	struct config_lexer *l;
	struct error err;

	source = config_text_file(text, config_text_main_path(text), &err);
	if (source == NULL) {
		config_error(errors, &start, "%s", err.text);
		return NULL;
	}
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		fatal("config: out of memory");
	l->text = text;
	l->arena = arena;
	l->errors = errors;
	l->previous = NEWLINE;
	l->statement = (struct config_statement){ 0, "", 0, "" };
	SLIST_INIT(&l->macros);
	STAILQ_FOREACH (define, config_text_defines(text), next)
		define_from_command_line(l, define);
	push_file(l, source);
	return l;
}

void
config_lexer_free(struct config_lexer *l)
{
	struct macro *macro;

	if (l == NULL)
		return;
	while ((macro = SLIST_FIRST(&l->macros)) != NULL) {
		SLIST_REMOVE_HEAD(&l->macros, next);
		free(macro);
	}
	free(l->value);
	free(l);
}

/* --- scanning --- */

static struct input
skip_blanks(struct config_lexer *l)
{
	struct input in;

	do
		in = read_unquoted(l);
	while (in.c == ' ' || in.c == '\t');
	if (in.c != '#')
		return in;
	do
		in = read_unquoted(l);
	while (in.c != '\n' && in.c != FILE_END);
	return in;
}

/* At the end of a file: the statement ends, then the file does. Returns the token, LEXICAL_ERROR for "read on". */
static int
scan_end(struct config_lexer *l, struct config_token *out)
{
	out->text = "end of file";
	if (l->previous != NEWLINE)
		return NEWLINE;
	if (l->files_open == 1)
		return 0;
	while (l->frames[--l->frames_count].source == NULL)
		continue;
	l->files_open--;
	return LEXICAL_ERROR;
}

static int
scan_symbol(struct config_lexer *l, struct config_token *out)
{
	struct input next;

	out->text = copy_bytes(l, 0);
	switch (out->text[0]) {
	case '=':
		next = read_unquoted(l);
		if (next.c != '>') {
			give_back(l, next);
			return '=';
		}
		keep_byte(l, next);
		out->text = "=>";
		return ARROW;
	case '{':
	case '}':
	case '<':
	case '>':
	case ',':
	case '!': return out->text[0];
	default: break;
	}
	if (out->text[0] == '$')
		return complain(l, &out->place, "unexpected \"$\": the value of a macro cannot name another");
	if (ascii_is_printable(out->text[0]))
		return complain(l, &out->place, "unexpected \"%s\": quote a value that begins with it", out->text);
	return complain(l, &out->place, "unexpected byte 0x%02x", (unsigned char)l->bytes[0].c);
}

/* One token, not yet noted. */
static int
scan(struct config_lexer *l, struct config_token *out)
{
	struct input in;
	int token;

	for (;;) {
		in = skip_blanks(l);
		*out = (struct config_token){ .text = "", .place = in.place };
		l->bytes_count = 0;
		l->quotes = 0;
		if (in.c == FILE_END) {
			give_back(l, in);
			token = scan_end(l, out);
			if (token != LEXICAL_ERROR)
				return token;
			continue;
		}
		if (in.c == '\n') {
			out->text = "end of line";
			return NEWLINE;
		}
		keep_byte(l, in);
		if (in.c != '$' || in.reference != NULL)
			break;
		if (!expand(l, out))
			return LEXICAL_ERROR;
	}
	if (in.c == '"' || in.c == '\'')
		return scan_quoted(l, out);
	if (in.c == '-' || (in.c < 0x80 && ascii_is_digit((char)in.c)))
		return scan_number(l, out);
	return may_begin_word(in.c) ? scan_word(l, out) : scan_symbol(l, out);
}

/* --- statements --- */

static void
begin_statement(struct config_lexer *l)
{
	l->statement = (struct config_statement){ 0, "", 0, "" };
	l->statement_tokens = 0;
	l->complained = false;
}

static void
note_in_statement(struct config_lexer *l, int token, const struct config_token *out)
{
	if (l->statement_tokens == 0) {
		l->statement.first = token;
		l->statement.first_text = out->text;
	} else if (l->statement_tokens == 1) {
		l->statement.second = token;
		l->statement.second_text = out->text;
	}
	l->statement_tokens++;
}

/* Braces hold a table, unless they are known to hold names of filters: what is not known stays hidden. */
static void
note_brace(struct config_lexer *l, int token)
{
	if (token == '{') {
		l->depth++;
		if (l->table_depth > 0 || (l->previous != FILTER && l->previous != CHAIN))
			l->table_depth++;
	} else if (token == '}') {
		if (l->depth > 0)
			l->depth--;
		if (l->table_depth > 0)
			l->table_depth--;
	}
}

static void
note(struct config_lexer *l, int token, const struct config_token *out)
{
	bool value = token == STRING && l->statement_tokens == 2 && l->previous == '=' && l->depth == 0;

	if (token == '}')
		note_brace(l, token);
	if (l->bytes_count > 0)
		show_token(l, token);
	if (value)
		keep_value(l);
	if (token == '{')
		note_brace(l, token);
	if (token == NEWLINE && l->depth == 0)
		begin_statement(l);
	else
		note_in_statement(l, token, out);
	l->previous = token;
}

static int
next_token(struct config_lexer *l, struct config_token *out)
{
	int token;

	if (l->has_held) {
		l->has_held = false;
		*out = l->held_token;
		return l->held;
	}
	if (l->newline_due) {
		l->newline_due = false;
		*out = (struct config_token){ .text = "end of line", .place = l->frames[l->frames_count - 1].place };
		l->bytes_count = 0;
		token = NEWLINE;
	} else {
		/* The blanked text has no contents of tables, but it may have masked macros there. */
		do {
			token = scan(l, out);
			if (token == '}' || token == 0 || l->table_depth == 0 || !config_text_is_blanked(l->text))
				break;
		} while (true);
	}
	note(l, token, out);
	return token;
}

void
config_lexer_skip_statement(struct config_lexer *l)
{
	l->complained = true;
	l->skipping = l->depth > 0;
}

/* A keyword at the beginning of a line cannot be part of a list. */
static bool
begins_statement(int token)
{
	return token == 0 ||
	    (token != STRING && token != '}' && token != NEWLINE && token != ',' && token != LEXICAL_ERROR &&
		token != NUMBER && token != '=' && token != ARROW);
}

/* After a syntax error within braces: passes over their rest. Returns the token that ends it. */
static int
skip_braces(struct config_lexer *l, struct config_token *out)
{
	struct config_token next;
	int token, following;

	for (;;) {
		token = next_token(l, out);
		if (token == 0 || l->depth == 0)
			break;
		if (token != NEWLINE)
			continue;
		following = next_token(l, &next);
		l->has_held = true;
		l->held = following;
		l->held_token = next;
		if (!begins_statement(following))
			continue;
		l->depth = 0;
		l->table_depth = 0;
		begin_statement(l);
		note_in_statement(l, following, &next);
		break;
	}
	l->skipping = false;
	return token;
}

int
config_lexer_next(struct config_lexer *l, struct config_token *out)
{
	if (config_errors_full(l->errors)) {
		*out = (struct config_token){ .text = "", .place = l->frames[0].place };
		return 0;
	}
	return l->skipping ? skip_braces(l, out) : next_token(l, out);
}

const struct config_statement *
config_lexer_statement(const struct config_lexer *l)
{
	return &l->statement;
}
