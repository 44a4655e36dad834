/* SPDX-License-Identifier: ISC */
#include "common/config_lexer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_build.h"
#include "common/config_grammar.h"
#include "common/config_input.h"
#include "common/config_text.h"
#include "common/config_words.h"

enum { MACRO_NAME_MAX = 255 };

struct config_lexer {
	struct config_text *text;
	struct config_arena *arena;
	struct config_errors *errors;
	struct config_input *input;

	struct config_byte bytes[CONFIG_STRING_MAX + 2]; /* of the current token; two for the quotes */
	size_t bytes_count;
	size_t quotes; /* bytes at both ends of it that are quotes: 0 or 1 each */

	int previous; /* token */
	struct config_statement statement;
	bool statement_over;  /* its newline was read */
	unsigned depth;       /* of braces */
	unsigned table_depth; /* of braces, from the first that opened a table */
	bool newline_due;     /* a file has just been included */
	bool complained;      /* about this statement */
	bool skipping;        /* to the end of a statement with a syntax error */
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

/* How much of the token just read the other processes may see; before it is noted as the previous one. */
static enum config_sight
sight_of(const struct config_lexer *l, int token)
{
	if (l->table_depth > 0)
		return CONFIG_SIGHT_HIDDEN;
	if (token != STRING)
		return CONFIG_SIGHT_SHOWN;
	if (l->statement.count == 2 && l->previous == '=')
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
		config_byte_show(&l->bytes[i], sight == CONFIG_SIGHT_MASKED && is_quote ? CONFIG_SIGHT_SHOWN : sight);
	}
}

/* Outside of tables a backslash is of no interest to hide, and joined lines and words have to stay joined. */
static void
show_backslash(const struct config_lexer *l, const struct config_byte *in)
{
	if (l->table_depth == 0)
		config_byte_show(in, CONFIG_SIGHT_SHOWN);
}

/* The next byte outside of quotes: a backslash joins lines, and before any other byte it yields that byte. */
static struct config_byte
read_unquoted(struct config_lexer *l)
{
	struct config_byte in;

	while ((in = config_input_read(l->input)).c == '\\') {
		show_backslash(l, &in);
		in = config_input_read(l->input);
		if (in.c != '\n')
			break;
	}
	return in;
}

static bool
keep_byte(struct config_lexer *l, struct config_byte in)
{
	if (l->bytes_count >= CONFIG_STRING_MAX)
		return false;
	l->bytes[l->bytes_count++] = in;
	return true;
}

/* --- tokens --- */

static bool
is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alphanumeric(int c)
{
	return c > 0 && c < 0x80 && (ascii_is_alpha((char)c) || ascii_is_digit((char)c));
}

static bool
may_begin_word(int c)
{
	return is_alphanumeric(c) || c == ':' || c == '_';
}

static bool
may_be_in_word(int c)
{
	return c > 0x20 && c < 0x7f && strchr("(){}<>!=#,", c) == NULL;
}

static bool
may_end_number(int c)
{
	return c == CONFIG_FILE_END || c == ' ' || c == '\t' || c == '\n' || c == ')' || c == ',' || c == '/' ||
	    c == '}' || c == '=';
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

/* Whether what was read last, in a listen statement, has a name behind it. */
static bool
takes_name(int token)
{
	static const int tokens[] = { ON, TAG, HOSTNAME, HOSTNAMES, SENDERS, PKI, CA, CIPHERS, PROTOCOLS, FILTER, PORT,
		'<' };
	size_t i = 0;

	while (i < sizeof(tokens) / sizeof(tokens[0]) && tokens[i] != token)
		i++;
	return i < sizeof(tokens) / sizeof(tokens[0]);
}

/* Whether an own word of that row is one here, outside of braces. */
static bool
is_its_place(const struct config_lexer *l, const struct own_word *own)
{
	if (own->after == LISTEN)
		return l->statement.first == LISTEN && !takes_name(l->previous);
	return own->after == l->previous;
}

static int
classify_word(const struct config_lexer *l, const char *word)
{
	const struct keyword *keyword = find_keyword(word);
	size_t i;

	if (keyword != NULL)
		return keyword->token;
	for (i = 0; i < sizeof(own_words) / sizeof(own_words[0]); i++)
		if (l->depth == 0 && strcmp(own_words[i].word, word) == 0 && is_its_place(l, &own_words[i]))
			return own_words[i].token;
	return STRING;
}

static int
scan_word(struct config_lexer *l, struct config_token *out)
{
	struct config_byte in;

	while (may_be_in_word((in = read_unquoted(l)).c))
		if (!keep_byte(l, in))
			return complain(l, &out->place, "word too long, expected at most %d bytes", CONFIG_STRING_MAX);
	config_input_give_back(l->input, in);
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
	struct config_byte in;

	while (is_digit((in = read_unquoted(l)).c))
		if (!keep_byte(l, in))
			return complain(l, &out->place, "number too long");
	config_input_give_back(l->input, in);
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
static struct config_byte
read_quoted(struct config_lexer *l, int quote, bool *closing)
{
	struct config_byte in, after;

	*closing = false;
	for (;;) {
		in = config_input_read(l->input);
		if (in.c == '\n')
			continue;
		if (in.c != '\\') {
			*closing = in.c == quote;
			return in;
		}
		after = config_input_read(l->input);
		if (after.c == '\n') {
			show_backslash(l, &in);
			continue;
		}
		if (!is_escaped(after.c, quote)) {
			config_input_give_back(l->input, after);
			return in;
		}
		/* There is room to remember one backslash; two before one byte come only from a macro quoted twice. */
		if (after.escape != NULL)
			*after.escape = CONFIG_SIGHT_SHOWN;
		after.escape = in.sight;
		return after;
	}
}

/* Reads on to the closing quote of a string that is refused, so that its rest is not taken for statements. */
static void
skip_quoted(struct config_lexer *l, int quote)
{
	struct config_byte in;
	bool closing;

	do
		in = read_quoted(l, quote, &closing);
	while (!closing && in.c != CONFIG_FILE_END);
	if (in.c == CONFIG_FILE_END)
		config_input_give_back(l->input, in);
}

static int
scan_quoted(struct config_lexer *l, struct config_token *out)
{
	int quote = l->bytes[0].c;
	struct config_byte in;
	bool closing;

	for (;;) {
		in = read_quoted(l, quote, &closing);
		if (closing)
			break;
		if (in.c == CONFIG_FILE_END) {
			config_input_give_back(l->input, in);
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

/* A "$" was read: goes on with the value of the macro. Returns false after a complaint. */
static bool
expand(struct config_lexer *l, const struct config_token *at)
{
	struct config_byte in;
	const char *name;

	while ((in = read_unquoted(l)).c == '_' || is_alphanumeric(in.c)) {
		if (l->bytes_count > MACRO_NAME_MAX) {
			complain(l, &at->place, "macro name too long, expected at most %d bytes", MACRO_NAME_MAX);
			return false;
		}
		keep_byte(l, in);
	}
	config_input_give_back(l->input, in);
	name = copy_bytes(l, 0) + 1;
	if (config_input_expand(l->input, name, l->bytes, l->bytes_count, l->table_depth == 0))
		return true;
	complain(l, &at->place, "macro '%.64s' not defined", name);
	return false;
}

/* --- scanning --- */

static struct config_byte
skip_blanks(struct config_lexer *l)
{
	struct config_byte in;

	do
		in = read_unquoted(l);
	while (in.c == ' ' || in.c == '\t');
	if (in.c != '#')
		return in;
	do
		in = read_unquoted(l);
	while (in.c != '\n' && in.c != CONFIG_FILE_END);
	return in;
}

/* At the end of a file: the statement ends, then the file does. Returns the token, LEXICAL_ERROR for "read on". */
static int
scan_end(struct config_lexer *l, struct config_token *out)
{
	out->text = "end of file";
	if (l->previous != NEWLINE)
		return NEWLINE;
	return config_input_end_file(l->input) ? LEXICAL_ERROR : 0;
}

static int
scan_symbol(struct config_lexer *l, struct config_token *out)
{
	struct config_byte next;

	out->text = copy_bytes(l, 0);
	switch (out->text[0]) {
	case '=':
		next = read_unquoted(l);
		if (next.c != '>') {
			config_input_give_back(l->input, next);
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
	struct config_byte in;
	int token;

	for (;;) {
		in = skip_blanks(l);
		*out = (struct config_token){ .text = "", .place = in.place };
		l->bytes_count = 0;
		l->quotes = 0;
		if (in.c == CONFIG_FILE_END) {
			config_input_give_back(l->input, in);
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
	if (in.c == '-' || is_digit(in.c))
		return scan_number(l, out);
	return may_begin_word(in.c) ? scan_word(l, out) : scan_symbol(l, out);
}

/* --- statements --- */

static void
begin_statement(struct config_lexer *l)
{
	l->statement = (struct config_statement){ 0, { "", "", "" }, 0 };
	l->statement_over = false;
	l->complained = false;
}

static void
note_in_statement(struct config_lexer *l, int token, const struct config_token *out)
{
	if (l->statement.count == 0)
		l->statement.first = token;
	if (l->statement.count < CONFIG_STATEMENT_WORDS)
		l->statement.words[l->statement.count] = out->text;
	l->statement.count++;
}

/*
 * Braces hold a table, unless they are known to hold names of filters: what is not known stays hidden. Private networks
 * are no secret, and are needed by the processes that connect.
 */
static bool
is_open_to_all(int before)
{
	return before == FILTER || before == CHAIN || before == PRIVATE_DESTINATIONS;
}

static void
note_brace(struct config_lexer *l, int token)
{
	if (token == '{') {
		l->depth++;
		if (l->table_depth > 0 || !is_open_to_all(l->previous))
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
	bool value = token == STRING && l->statement.count == 2 && l->previous == '=';

	if (token == '}')
		note_brace(l, token);
	if (l->bytes_count > 0)
		show_token(l, token);
	if (value)
		config_input_keep_value(l->input, l->bytes + l->quotes, l->bytes_count - 2 * l->quotes);
	if (token == '{')
		note_brace(l, token);
	if (token == NEWLINE && l->depth == 0)
		l->statement_over = true;
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
	/* Not with its newline: a mistake may be found there, and the statement is asked for then. */
	if (l->statement_over)
		begin_statement(l);
	if (l->newline_due) {
		l->newline_due = false;
		*out = (struct config_token){ .text = "end of line", .place = config_input_place(l->input) };
		l->bytes_count = 0;
		token = NEWLINE;
	} else {
		token = scan(l, out);
		/* The blanked text has no contents of tables, but it may have masked macros there. */
		while (l->table_depth > 0 && config_text_is_blanked(l->text) && token != '}' && token != 0) {
			l->previous = token;
			token = scan(l, out);
		}
	}
	note(l, token, out);
	return token;
}

void
config_lexer_skip_statement(struct config_lexer *l)
{
	l->complained = true;
	l->skipping = l->depth > 0 || !l->statement_over;
}

/* A keyword at the beginning of a line cannot be part of a list. */
static bool
begins_statement(int token)
{
	return token == 0 ||
	    (token != STRING && token != '}' && token != NEWLINE && token != ',' && token != LEXICAL_ERROR &&
		token != NUMBER && token != '=' && token != ARROW);
}

/* Reads a token ahead, without giving it away. */
static int
hold(struct config_lexer *l)
{
	l->held = next_token(l, &l->held_token);
	l->has_held = true;
	return l->held;
}

/* After a syntax error: passes over the statement, with its braces. Returns the newline that ends it, or 0. */
static int
skip_statement(struct config_lexer *l, struct config_token *out)
{
	int token;

	for (;;) {
		token = next_token(l, out);
		if (token == 0 || (token == NEWLINE && l->depth == 0))
			break;
		if (token != NEWLINE || !begins_statement(hold(l)))
			continue;
		l->depth = 0;
		l->table_depth = 0;
		begin_statement(l);
		note_in_statement(l, l->held, &l->held_token);
		break;
	}
	l->skipping = false;
	return token;
}

struct config_lexer *
config_lexer_new(struct config_text *text, struct config_arena *arena, struct config_errors *errors)
{
	struct config_input *input = config_input_new(text, arena, errors);
	struct config_lexer *l;

	if (input == NULL)
		return NULL;
	l = config_must(calloc(1, sizeof(*l)));
	l->text = text;
	l->arena = arena;
	l->errors = errors;
	l->input = input;
	l->previous = NEWLINE;
	begin_statement(l);
	return l;
}

void
config_lexer_free(struct config_lexer *l)
{
	if (l == NULL)
		return;
	config_input_free(l->input);
	free(l);
}

bool
config_lexer_include(struct config_lexer *l, const struct config_token *path)
{
	if (!config_input_include(l->input, path->text, &path->place))
		return false;
	l->newline_due = true;
	return true;
}

void
config_lexer_define(struct config_lexer *l, const struct config_token *name)
{
	config_input_define(l->input, name->text, &name->place);
}

int
config_lexer_next(struct config_lexer *l, struct config_token *out)
{
	if (config_errors_full(l->errors)) {
		*out = (struct config_token){ .text = "", .place = config_input_place(l->input) };
		return 0;
	}
	return l->skipping ? skip_statement(l, out) : next_token(l, out);
}

const struct config_statement *
config_lexer_statement(const struct config_lexer *l)
{
	return &l->statement;
}
