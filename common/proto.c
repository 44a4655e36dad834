/* SPDX-License-Identifier: ISC */
#include "common/proto.h"

/* clang-format off */
enum kind_set {
	NOBODY = 0,
#define K(NAME, name) NAME = 1 << PROTO_KIND_##NAME,
	PROTO_KINDS(K)
#undef K
	CHILD = PROTO_CHILD,
};

#define T(NAME, lname, from, to, fd) FIELDS_FUNCTION(fields_of_##lname, msg_##lname, PROTO_##NAME)
PROTO_TABLE(T)
#undef T

static const struct {
	const char *name;
	struct fields (*fields)(void);
	unsigned from;
	unsigned to;
	bool descriptor;
} types[] = {
#define T(NAME, lname, from_set, to_set, fd) { #NAME, fields_of_##lname, from_set, to_set, fd },
	PROTO_TABLE(T)
#undef T
};

static const char *const kinds[] = {
#define K(NAME, name) #name,
	PROTO_KINDS(K)
#undef K
};

static const struct {
	enum proto_kind a;
	enum proto_kind b;
} edges[] = {
#define E(A, B) { PROTO_KIND_##A, PROTO_KIND_##B },
	PROTO_EDGES(E)
#undef E
};
/* clang-format on */

/* --- words --- */

#define W(NAME, word) word,
static const char *const causes[] = { PROTO_CAUSES(W) };
static const char *const states[] = { PROTO_ENTRY_STATES(W) };
static const char *const changes[] = { PROTO_CHANGES(W) };
#undef W

#define COUNT(words) (sizeof(words) / sizeof((words)[0]))

static const char *
word_of(const char *const *words, size_t count, unsigned value)
{
	return value < count ? words[value] : "unknown";
}

static bool
find_word(const char *const *words, size_t count, struct str word, unsigned *out)
{
	unsigned i;

	for (i = 0; i < count; i++) {
		if (!str_equal_nocase(word, str_of(words[i])))
			continue;
		*out = i;
		return true;
	}
	return false;
}

const char *
proto_cause_word(unsigned cause)
{
	return word_of(causes, COUNT(causes), cause);
}

const char *
proto_state_word(unsigned state)
{
	return word_of(states, COUNT(states), state);
}

const char *
proto_change_word(unsigned change)
{
	return word_of(changes, COUNT(changes), change);
}

bool
proto_cause_find(struct str word, unsigned *out)
{
	return find_word(causes, COUNT(causes), word, out);
}

bool
proto_state_find(struct str word, unsigned *out)
{
	return find_word(states, COUNT(states), word, out);
}

/* --- kinds and types --- */

const char *
proto_kind_name(enum proto_kind kind)
{
	return kind < PROTO_KIND_COUNT ? kinds[kind] : "unknown";
}

const char *
proto_type_name(enum proto_type type)
{
	return type < PROTO_TYPE_COUNT ? types[type].name : "unknown";
}

bool
proto_edge(enum proto_kind a, enum proto_kind b)
{
	size_t i;

	for (i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
		if ((edges[i].a == a && edges[i].b == b) || (edges[i].a == b && edges[i].b == a))
			return true;
	return false;
}

bool
proto_allowed(unsigned type, enum proto_kind from, enum proto_kind to)
{
	if (type >= PROTO_TYPE_COUNT || from >= PROTO_KIND_COUNT || to >= PROTO_KIND_COUNT)
		return false;
	if ((types[type].from & (1U << from)) == 0 || (types[type].to & (1U << to)) == 0)
		return false;
	return from == PROTO_KIND_PARENT || to == PROTO_KIND_PARENT ? from != to && from != PROTO_KIND_CLIENT
								    : proto_edge(from, to);
}

bool
proto_has_descriptor(enum proto_type type)
{
	return types[type].descriptor;
}

bool
proto_encode(enum proto_type type, const void *msg, struct buf *out)
{
	size_t before = out->len;

	if (!fields_encode(types[type].fields(), msg, out))
		return false;
	if (out->len - before <= PROTO_PAYLOAD_MAX)
		return true;
	buf_truncate(out, before);
	return false;
}

bool
proto_decode(enum proto_type type, struct str payload, void *msg)
{
	return fields_decode(types[type].fields(), payload, msg);
}

void
proto_print(enum proto_type type, const void *msg, struct buf *out)
{
	(void)buf_append_text(out, proto_type_name(type));
	fields_print(types[type].fields(), msg, out);
}

void
proto_sample(enum proto_type type, unsigned variant, void *msg)
{
	fields_sample(types[type].fields(), variant, msg);
}
