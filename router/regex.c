/* SPDX-License-Identifier: ISC */
#include "router/regex.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "router/limits.h"

enum step_kind {
	STEP_BYTE,
	STEP_ANY,
	STEP_SET,
	STEP_FORK, /* goes on at a and at b */
	STEP_JUMP,
	STEP_BEGIN,
	STEP_END,
	STEP_WORD_EDGE,
	STEP_NO_WORD_EDGE,
	STEP_FOUND
};

/* a and b are distances to other steps, so that a piece of program can be copied and moved as it is; a is a byte's value
 * or a set's number for those that take a byte. */
struct step {
	enum step_kind kind;
	int a, b;
};

typedef uint8_t byte_set[32];

/* The steps a match stands at: each once, in `list`. */
struct front {
	int *list;
	size_t count;
	unsigned *mark; /* by step: the turn in which it was added */
};

struct regex {
	struct step *steps;
	size_t count;
	byte_set *sets;
	size_t sets_count;
	struct front now, next;
	int *stack;
	unsigned turn;
};

/* --- sets of bytes --- */

static void
set_add(byte_set set, unsigned char c)
{
	set[c / 8] |= (uint8_t)(1u << (c % 8));
}

static bool
set_has(const byte_set set, unsigned char c)
{
	return (set[c / 8] >> (c % 8) & 1) != 0;
}

static void
set_invert(byte_set set)
{
	size_t i;

	for (i = 0; i < sizeof(byte_set); i++)
		set[i] = (uint8_t)~set[i];
}

static bool
is_word(unsigned char c)
{
	return ascii_is_alpha((char)c) || ascii_is_digit((char)c) || c == '_';
}

/* Texts are looked at in lower case, so a letter stands for both. */
static void
set_fold(byte_set set)
{
	unsigned char c;

	for (c = 'A'; c <= 'Z'; c++)
		if (set_has(set, c))
			set_add(set, (unsigned char)ascii_lower((char)c));
}

static bool
in_class(unsigned char c, struct str name)
{
	bool lower = c >= 'a' && c <= 'z', upper = c >= 'A' && c <= 'Z', alpha = lower || upper;
	bool digit = ascii_is_digit((char)c), graph = c > 0x20 && c < 0x7f;
	const struct {
		struct str name;
		bool in;
	} classes[] = {
		{ STR("alpha"), alpha },
		{ STR("digit"), digit },
		{ STR("alnum"), alpha || digit },
		{ STR("upper"), alpha },
		{ STR("lower"), alpha },
		{ STR("space"), c == ' ' || (c >= '\t' && c <= '\r') },
		{ STR("blank"), c == ' ' || c == '\t' },
		{ STR("punct"), graph && !alpha && !digit },
		{ STR("print"), graph || c == ' ' },
		{ STR("graph"), graph },
		{ STR("cntrl"), c < 0x20 || c == 0x7f },
		{ STR("xdigit"), digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') },
	};
	size_t i;

	for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (str_equal(classes[i].name, name))
			return classes[i].in;
	return false;
}

static bool
class_exists(struct str name)
{
	static const char probes[] = "a0 !\n";
	size_t i;

	for (i = 0; i < sizeof(probes) - 1; i++)
		if (in_class((unsigned char)probes[i], name))
			return true;
	return false;
}

static void
set_add_class(byte_set set, struct str name)
{
	unsigned c;

	for (c = 0; c < 256; c++)
		if (in_class((unsigned char)c, name))
			set_add(set, (unsigned char)c);
}

/* --- from pattern to program --- */

struct compiler {
	struct str s;
	size_t at;
	unsigned depth;
	struct regex *r;
	const char *wrong;
};

static bool compile_choices(struct compiler *c);

static bool
wrong(struct compiler *c, const char *what)
{
	if (c->wrong == NULL)
		c->wrong = what;
	return false;
}

static bool
more(const struct compiler *c)
{
	return c->at < c->s.len;
}

static char
peek(const struct compiler *c)
{
	return more(c) ? c->s.ptr[c->at] : '\0';
}

static bool
take(struct compiler *c, char byte)
{
	if (!more(c) || c->s.ptr[c->at] != byte)
		return false;
	c->at++;
	return true;
}

static bool
emit(struct compiler *c, enum step_kind kind, int a, int b)
{
	if (c->r->count == REGEX_STEPS_MAX)
		return wrong(c, "it is too large, repetitions counted");
	c->r->steps[c->r->count++] = (struct step){ kind, a, b };
	return true;
}

/* Makes room for one step before those from start on, and puts it there. */
static bool
insert(struct compiler *c, size_t start, enum step_kind kind, int a, int b)
{
	struct step *at = c->r->steps + start;

	if (!emit(c, kind, a, b))
		return false;
	memmove(at + 1, at, (c->r->count - 1 - start) * sizeof(*at));
	*at = (struct step){ kind, a, b };
	return true;
}

static bool
emit_set(struct compiler *c, byte_set set, bool inverted)
{
	struct regex *r = c->r;
	byte_set *sets;

	set_fold(set);
	if (inverted)
		set_invert(set);
	sets = reallocarray(r->sets, r->sets_count + 1, sizeof(*sets));
	if (sets == NULL)
		return wrong(c, "out of memory");
	r->sets = sets;
	memcpy(r->sets[r->sets_count], set, sizeof(byte_set));
	return emit(c, STEP_SET, (int)r->sets_count++, 0);
}

/* One element of a bracket expression that can begin a range: a byte. */
static bool
take_bracket_byte(struct compiler *c, unsigned char *out)
{
	if (!more(c))
		return wrong(c, "a \"[\" has no \"]\"");
	if (peek(c) == '[' && c->at + 1 < c->s.len && strchr(".=", c->s.ptr[c->at + 1]) != NULL)
		return wrong(c, "collating elements are not supported");
	*out = (unsigned char)c->s.ptr[c->at++];
	return true;
}

static bool
take_bracket_class(struct compiler *c, byte_set set)
{
	size_t start = c->at + 2, end = start;
	struct str name;

	while (end + 1 < c->s.len && !(c->s.ptr[end] == ':' && c->s.ptr[end + 1] == ']'))
		end++;
	name = (struct str){ c->s.ptr + start, end - start };
	if (end + 1 >= c->s.len || !class_exists(name))
		return wrong(c, "no such class of characters");
	set_add_class(set, name);
	c->at = end + 2;
	return true;
}

static bool
take_bracket_item(struct compiler *c, byte_set set)
{
	unsigned char first, last;
	unsigned i;

	if (peek(c) == '[' && c->at + 1 < c->s.len && c->s.ptr[c->at + 1] == ':')
		return take_bracket_class(c, set);
	if (!take_bracket_byte(c, &first))
		return false;
	last = first;
	if (peek(c) == '-' && c->at + 1 < c->s.len && c->s.ptr[c->at + 1] != ']') {
		c->at++;
		if (!take_bracket_byte(c, &last))
			return false;
	}
	if (last < first)
		return wrong(c, "a range ends before it begins");
	for (i = first; i <= last; i++)
		set_add(set, (unsigned char)i);
	return true;
}

/* Behind the "[". */
static bool
compile_bracket(struct compiler *c)
{
	byte_set set = { 0 };
	bool inverted = take(c, '^');
	bool first = true;

	while (first || peek(c) != ']') {
		if (!take_bracket_item(c, set))
			return false;
		first = false;
		if (!more(c))
			return wrong(c, "a \"[\" has no \"]\"");
	}
	c->at++;
	return emit_set(c, set, inverted);
}

/* Behind the backslash. */
static bool
compile_escape(struct compiler *c)
{
	byte_set set = { 0 };
	char letter = peek(c), lower = ascii_lower(letter);

	if (!more(c))
		return wrong(c, "it ends in a backslash");
	c->at++;
	if (!ascii_is_alpha(letter) && !ascii_is_digit(letter))
		return emit(c, STEP_BYTE, (unsigned char)letter, 0);
	switch (lower) {
	case 'b': return emit(c, letter == 'b' ? STEP_WORD_EDGE : STEP_NO_WORD_EDGE, 0, 0);
	case 'd': set_add_class(set, S("digit")); break;
	case 's': set_add_class(set, S("space")); break;
	case 'w':
		set_add_class(set, S("alnum"));
		set_add(set, '_');
		break;
	default: return wrong(c, "what stands behind a backslash is not supported");
	}
	return emit_set(c, set, letter != lower);
}

static bool
compile_group(struct compiler *c)
{
	if (peek(c) == '?')
		return wrong(c, "\"(?\" is not of POSIX");
	if (++c->depth > REGEX_DEPTH_MAX)
		return wrong(c, "too many parentheses within each other");
	if (!compile_choices(c))
		return false;
	c->depth--;
	return take(c, ')') || wrong(c, "a \"(\" has no \")\"");
}

static bool
compile_atom(struct compiler *c)
{
	char byte = peek(c);

	c->at++;
	switch (byte) {
	case '(': return compile_group(c);
	case '[': return compile_bracket(c);
	case '.': return emit(c, STEP_ANY, 0, 0);
	case '^': return emit(c, STEP_BEGIN, 0, 0);
	case '$': return emit(c, STEP_END, 0, 0);
	case '\\': return compile_escape(c);
	case '*':
	case '+':
	case '?': return wrong(c, "there is nothing to repeat");
	default: return emit(c, STEP_BYTE, (unsigned char)ascii_lower(byte), 0);
	}
}

static bool
emit_copy(struct compiler *c, const struct step *steps, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!emit(c, steps[i].kind, steps[i].a, steps[i].b))
			return false;
	return true;
}

static bool
repeat_star(struct compiler *c, size_t start)
{
	int len = (int)(c->r->count - start);

	return insert(c, start, STEP_FORK, 1, len + 2) && emit(c, STEP_JUMP, -len - 1, 0);
}

/* The steps from start on: at least min times, at most max (-1: any number). */
static bool
repeat(struct compiler *c, size_t start, int min, int max)
{
	size_t len = c->r->count - start, again;
	struct step *copy = reallocarray(NULL, len + 1, sizeof(*copy));
	bool ok = true;
	int i;

	if (copy == NULL)
		return wrong(c, "out of memory");
	memcpy(copy, c->r->steps + start, len * sizeof(*copy));
	c->r->count = start;
	for (i = 0; ok && i < min; i++)
		ok = emit_copy(c, copy, len);
	for (; ok && i < max; i++)
		ok = emit(c, STEP_FORK, 1, (int)len + 1) && emit_copy(c, copy, len);
	again = c->r->count;
	if (ok && max == -1)
		ok = emit_copy(c, copy, len) && repeat_star(c, again);
	free(copy);
	return ok;
}

static bool
take_number(struct compiler *c, int *out)
{
	size_t start = c->at;
	uint64_t value;

	while (ascii_is_digit(peek(c)))
		c->at++;
	if (!str_to_u64((struct str){ c->s.ptr + start, c->at - start }, REGEX_REPEAT_MAX, &value))
		return wrong(c, "a number in braces is missing or over 255");
	*out = (int)value;
	return true;
}

/* Behind the "{". */
static bool
compile_interval(struct compiler *c, size_t start)
{
	int min = 0, max;

	if (peek(c) != ',' && !take_number(c, &min))
		return false;
	max = min;
	if (take(c, ',')) {
		max = -1;
		if (peek(c) != '}' && !take_number(c, &max))
			return false;
	}
	if (!take(c, '}'))
		return wrong(c, "a \"{\" has no \"}\"");
	if (max != -1 && max < min)
		return wrong(c, "the numbers in braces are in the wrong order");
	return repeat(c, start, min, max);
}

static bool
is_interval(const struct compiler *c)
{
	return peek(c) == '{' && c->at + 1 < c->s.len &&
	    (ascii_is_digit(c->s.ptr[c->at + 1]) || c->s.ptr[c->at + 1] == ',');
}

static bool
compile_piece(struct compiler *c)
{
	size_t start = c->r->count;
	bool ok = compile_atom(c);

	while (ok && more(c)) {
		if (take(c, '*'))
			ok = repeat_star(c, start);
		else if (take(c, '+'))
			ok = repeat(c, start, 1, -1);
		else if (take(c, '?'))
			ok = insert(c, start, STEP_FORK, 1, (int)(c->r->count - start) + 1);
		else if (is_interval(c)) {
			c->at++;
			ok = compile_interval(c, start);
		} else
			break;
	}
	return ok;
}

static bool
compile_branch(struct compiler *c)
{
	while (more(c) && peek(c) != '|' && (peek(c) != ')' || c->depth == 0))
		if (!compile_piece(c))
			return false;
	return true;
}

/* Branches with "|" between: before each but the last a fork to the next, behind it a jump to the end. */
static bool
compile_choices(struct compiler *c)
{
	size_t start = c->r->count;
	int jump = -1; /* the last jump that does not know the end yet; its a is the one before it */

	if (!compile_branch(c))
		return false;
	while (take(c, '|')) {
		size_t len = c->r->count - start;
		if (!insert(c, start, STEP_FORK, 1, (int)len + 2) || !emit(c, STEP_JUMP, jump, 0))
			return false;
		jump = (int)c->r->count - 1;
		start = c->r->count;
		if (!compile_branch(c))
			return false;
	}
	while (jump != -1) {
		int before = c->r->steps[jump].a;
		c->r->steps[jump].a = (int)c->r->count - jump;
		jump = before;
	}
	return true;
}

/* --- fronts --- */

static bool
front_new(struct front *f, size_t count)
{
	f->list = reallocarray(NULL, count, sizeof(*f->list));
	f->mark = calloc(count, sizeof(*f->mark));
	return f->list != NULL && f->mark != NULL;
}

static void
front_free(struct front *f)
{
	free(f->list);
	free(f->mark);
}

/* Where in the text a step is looked at: what an anchor asks for. */
struct place {
	struct str text;
	size_t at;
};

static bool
at_word_edge(const struct place *p)
{
	bool before = p->at > 0 && is_word((unsigned char)p->text.ptr[p->at - 1]);
	bool behind = p->at < p->text.len && is_word((unsigned char)p->text.ptr[p->at]);

	return before != behind;
}

/* Adds step and all that can be reached from it without a byte. Returns true when that is the end of the program. */
static bool
front_add(struct regex *r, struct front *f, int step, const struct place *p)
{
	size_t top = 0;

	r->stack[top++] = step;
	while (top > 0) {
		const struct step *s;
		int i = r->stack[--top];

		if (f->mark[i] == r->turn)
			continue;
		f->mark[i] = r->turn;
		s = &r->steps[i];
		switch (s->kind) {
		case STEP_FOUND: return true;
		case STEP_FORK:
			r->stack[top++] = i + s->b;
			r->stack[top++] = i + s->a;
			break;
		case STEP_JUMP: r->stack[top++] = i + s->a; break;
		case STEP_BEGIN:
			if (p->at == 0)
				r->stack[top++] = i + 1;
			break;
		case STEP_END:
			if (p->at == p->text.len)
				r->stack[top++] = i + 1;
			break;
		case STEP_WORD_EDGE:
		case STEP_NO_WORD_EDGE:
			if (at_word_edge(p) == (s->kind == STEP_WORD_EDGE))
				r->stack[top++] = i + 1;
			break;
		case STEP_BYTE:
		case STEP_ANY:
		case STEP_SET: f->list[f->count++] = i; break;
		}
	}
	return false;
}

static bool
step_takes(const struct regex *r, const struct step *s, unsigned char byte)
{
	if (s->kind == STEP_BYTE)
		return s->a == byte;
	return s->kind == STEP_ANY || set_has(r->sets[s->a], byte);
}

/* Marks tell turns apart; when the counter comes round, old marks have to go. */
static void
next_turn(struct regex *r)
{
	if (++r->turn != 0)
		return;
	memset(r->now.mark, 0, r->count * sizeof(*r->now.mark));
	memset(r->next.mark, 0, r->count * sizeof(*r->next.mark));
	r->turn = 1;
}

bool
regex_match(struct regex *r, struct str text)
{
	struct place p = { text, 0 };
	struct front *now = &r->now, *next = &r->next, *other;
	size_t i;

	next_turn(r);
	now->count = 0;
	while (!front_add(r, now, 0, &p)) {
		unsigned char byte;
		if (p.at == text.len)
			return false;
		byte = (unsigned char)ascii_lower(text.ptr[p.at++]);
		next_turn(r);
		next->count = 0;
		for (i = 0; i < now->count; i++)
			if (step_takes(r, &r->steps[now->list[i]], byte) && front_add(r, next, now->list[i] + 1, &p))
				return true;
		other = now;
		now = next;
		next = other;
	}
	return true;
}

/* --- birth and death --- */

static bool
make_room(struct regex *r)
{
	/* A step is pushed by at most two others, and each is expanded once a turn. */
	r->stack = reallocarray(NULL, 2 * r->count + 2, sizeof(*r->stack));
	return r->stack != NULL && front_new(&r->now, r->count) && front_new(&r->next, r->count);
}

static bool
compile(struct compiler *c)
{
	struct str insensitive = STR("(?i)");

	if (c->s.len > REGEX_PATTERN_MAX)
		return wrong(c, "it is longer than 1024 bytes");
	if (str_starts_nocase(c->s, insensitive))
		c->at = insensitive.len;
	c->r->steps = reallocarray(NULL, REGEX_STEPS_MAX, sizeof(*c->r->steps));
	if (c->r->steps == NULL)
		return wrong(c, "out of memory");
	return compile_choices(c) && emit(c, STEP_FOUND, 0, 0) && (make_room(c->r) || wrong(c, "out of memory"));
}

struct regex *
regex_new(struct str pattern, struct error *err)
{
	struct compiler c = { .s = pattern };
	struct step *steps;

	c.r = calloc(1, sizeof(*c.r));
	if (c.r == NULL || !compile(&c)) {
		error_set(err, ERROR_PERMANENT, "regular expression: %s (at character %zu)",
		    c.wrong != NULL ? c.wrong : "out of memory", c.at + 1);
		regex_free(c.r);
		return NULL;
	}
	steps = reallocarray(c.r->steps, c.r->count, sizeof(*steps));
	if (steps != NULL)
		c.r->steps = steps;
	return c.r;
}

void
regex_free(struct regex *r)
{
	if (r == NULL)
		return;
	free(r->steps);
	free(r->sets);
	free(r->stack);
	front_free(&r->now);
	front_free(&r->next);
	free(r);
}

size_t
regex_steps(const struct regex *r)
{
	return r->count;
}
