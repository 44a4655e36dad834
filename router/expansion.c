/* SPDX-License-Identifier: ISC */
#include "router/expansion.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/siphash.h"
#include "router/alias.h"
#include "router/limits.h"

enum node_kind {
	NODE_ADDRESS, /* goes through the rules; in the end a relay delivery */
	NODE_NAME,    /* of a local action: looked up in its aliases */
	NODE_USER     /* has to be a user; a local delivery */
};

/* One piece of work; those before e->cursor are done. */
struct node {
	enum node_kind kind;
	struct action *action;  /* of an address: once a rule was found */
	uint32_t local, domain; /* offsets of terminated texts */
	uint32_t parent;        /* number of the node it came from; itself: none */
	unsigned depth;         /* aliases on the way to it */
	bool again;             /* a user that came up in its own expansion */
};

enum { NODES_INLINE = 8, SLOTS_INLINE = 32, POOL_MAX = 32, POOL_TEXT_MAX = 65536 };

enum state { STATE_RUNS, STATE_WAITS, STATE_DONE };

/* Whose expansion it is: the recipient's; for postmaster then root's by the same action, then root's on this machine. */
enum stage { STAGE_RECIPIENT, STAGE_ROOT, STAGE_ROOT_HERE };

struct expansion {
	struct routing *routing;
	const struct rule_facts *facts;
	expansion_done_fn *done_fn;
	void *arg;
	enum state state;
	struct buf texts;
	struct node *nodes; /* the first ones in nodes_inline */
	size_t nodes_count, nodes_room;
	uint32_t *slots; /* number + 1 of nodes, by what they say */
	size_t slots_count;
	uint32_t *results; /* numbers of nodes */
	size_t results_count, results_room;
	size_t cursor;
	size_t steps;
	struct users_wait wait;
	struct user room;
	struct action *postmaster; /* the action that mail for postmaster falls back on; NULL: not for postmaster */
	enum stage stage;
	enum reply reply;
	unsigned code; /* of an alias "error:", else 0 */
	char enhanced[PROTO_ENHANCED_MAX + 1];
	char text[ALIAS_ELEMENT_MAX + 1];
	struct node nodes_inline[NODES_INLINE];
	uint32_t slots_inline[SLOTS_INLINE];
	struct expansion *next; /* in the pool */
};

/* Ended ones with their blocks, so that a recipient without aliases costs no allocation. */
static struct expansion *pool;
static size_t pool_count;
static uint8_t hash_key[SIPHASH_KEY_SIZE];
static bool hash_key_made;

/* --- the end --- */

static void
reset_work(struct expansion *e)
{
	buf_reset(&e->texts);
	e->nodes_count = 0;
	e->results_count = 0;
	e->cursor = 0;
	memset(e->slots, 0, e->slots_count * sizeof(*e->slots));
}

static void push_name(struct expansion *e, struct action *action, struct str name, struct str domain);
static void push_address(struct expansion *e, const struct address *a);

/*
 * Postmaster's own expansion has ended nowhere: root's is tried, first by the same action, then as the rules have it on this
 * machine. Those failing too, the administrator has to act; the sender is told to try again until that has happened.
 */
static bool
postmaster_goes_on(struct expansion *e)
{
	struct address root = { .local = "root" };

	if (e->postmaster == NULL)
		return false;
	e->code = 0;
	if (e->stage == STAGE_ROOT_HERE) {
		e->reply = REPLY_POSTMASTER;
		return false;
	}
	e->reply = REPLY_OK;
	e->stage++;
	reset_work(e);
	(void)strlcpy(root.domain, names_server(e->routing->names), sizeof(root.domain));
	if (e->stage == STAGE_ROOT)
		push_name(e, e->postmaster, str_of(root.local), str_of(root.domain));
	else
		push_address(e, &root);
	return true;
}

static void
fail(struct expansion *e, enum reply reply)
{
	unsigned code = e->code != 0 ? e->code : reply_row(reply)->code;

	e->reply = reply;
	if (code >= 500 && postmaster_goes_on(e))
		return;
	e->state = STATE_DONE;
}

/* An alias says the reply itself. It may begin with an enhanced status code of the same class. */
static void
fail_as_told(struct expansion *e, const struct alias_element *error)
{
	struct str status, text = error->text;
	char class = error->code >= 500 ? '5' : '4';

	if (str_cut(text, ' ', &status, &text) && status.len >= 5 && status.len <= PROTO_ENHANCED_MAX &&
	    status.ptr[0] == class && status.ptr[1] == '.' && ascii_is_digit(status.ptr[2])) {
		(void)str_copy(status, e->enhanced, sizeof(e->enhanced));
	} else {
		(void)strlcpy(e->enhanced, class == '5' ? "5.1.0" : "4.1.0", sizeof(e->enhanced));
		text = error->text;
	}
	(void)str_copy(text, e->text, sizeof(e->text));
	e->code = error->code;
	fail(e, REPLY_REJECTED);
}

/* --- nodes --- */

static const char *
text_at(const struct expansion *e, uint32_t offset)
{
	return e->texts.data + e->texts.head + offset;
}

static bool
add_text(struct expansion *e, struct str text, uint32_t *offset)
{
	*offset = (uint32_t)e->texts.len;
	return buf_append_str(&e->texts, text) && buf_append_byte(&e->texts, '\0');
}

static size_t
hash_of(const struct expansion *e, const struct node *n)
{
	uint64_t h = siphash24(hash_key, text_at(e, n->local), strlen(text_at(e, n->local)));

	if (n->kind == NODE_ADDRESS)
		h ^= 3 * siphash24(hash_key, text_at(e, n->domain), strlen(text_at(e, n->domain)));
	return (size_t)(h + n->kind);
}

/* The domain says nothing about whose mailbox it is, nor the action about an address. */
static bool
is_same(const struct expansion *e, const struct node *a, const struct node *b)
{
	if (a->kind != b->kind || strcmp(text_at(e, a->local), text_at(e, b->local)) != 0)
		return false;
	return a->kind == NODE_ADDRESS ? strcmp(text_at(e, a->domain), text_at(e, b->domain)) == 0
				       : a->action == b->action;
}

static uint32_t *
slot_of(const struct expansion *e, const struct node *n)
{
	size_t slot = hash_of(e, n) & (e->slots_count - 1);

	while (e->slots[slot] != 0 && !is_same(e, &e->nodes[e->slots[slot] - 1], n))
		slot = (slot + 1) & (e->slots_count - 1);
	return &e->slots[slot];
}

/* Moves an array that was inline, or grows it. */
static void *
grow(void *old, const void *inline_room, size_t count, size_t room, size_t size)
{
	void *new = reallocarray(old == inline_room ? NULL : old, room, size);

	if (new != NULL && old == inline_room)
		memcpy(new, old, count * size);
	return new;
}

static bool
grow_slots(struct expansion *e)
{
	uint32_t *new = calloc(2 * e->slots_count, sizeof(*new));
	size_t i;

	if (new == NULL)
		return false;
	if (e->slots != e->slots_inline)
		free(e->slots);
	e->slots = new;
	e->slots_count *= 2;
	for (i = 0; i < e->nodes_count; i++)
		*slot_of(e, &e->nodes[i]) = (uint32_t)i + 1;
	return true;
}

static bool
make_room(struct expansion *e)
{
	struct node *nodes;

	if (e->nodes_count == e->nodes_room) {
		nodes = grow(e->nodes, e->nodes_inline, e->nodes_count, 2 * e->nodes_room, sizeof(*nodes));
		if (nodes == NULL)
			return false;
		e->nodes = nodes;
		e->nodes_room *= 2;
	}
	return 2 * e->nodes_count < e->slots_count || grow_slots(e);
}

static bool
is_own_ancestor(const struct expansion *e, const struct node *n)
{
	uint32_t at = n->parent;

	while (at < e->nodes_count) {
		if (is_same(e, &e->nodes[at], n))
			return true;
		if (e->nodes[at].parent == at)
			return false;
		at = e->nodes[at].parent;
	}
	return false;
}

/*
 * Adds work, unless the same was there before. Its texts are in the buffer already. A name that is its own ancestor stands for
 * the user; an address that is one leads to such a name, and has to be followed.
 */
static void
add_node(struct expansion *e, struct node n)
{
	uint32_t *slot;

	if (n.depth > EXPANSION_DEPTH_MAX) {
		fail(e, REPLY_DEEP);
		return;
	}
	if (++e->steps > EXPANSION_STEPS_MAX) {
		fail(e, REPLY_MANY);
		return;
	}
	if (!make_room(e)) {
		fail(e, REPLY_TEMPORARY);
		return;
	}
	if (n.kind == NODE_NAME && is_own_ancestor(e, &n)) {
		n.kind = NODE_USER;
		n.again = true;
	}
	slot = slot_of(e, &n);
	if (*slot != 0 && !(n.kind == NODE_ADDRESS && is_own_ancestor(e, &n)))
		return;
	e->nodes[e->nodes_count++] = n;
	*slot = (uint32_t)e->nodes_count;
}

static uint32_t
next_number(const struct expansion *e)
{
	return (uint32_t)e->nodes_count;
}

/* Work without a parent: the recipient itself. */
static void
push_address(struct expansion *e, const struct address *a)
{
	struct node n = { .kind = NODE_ADDRESS, .parent = next_number(e) };

	if (!add_text(e, str_of(a->local), &n.local) || !add_text(e, str_of(a->domain), &n.domain))
		fail(e, REPLY_MANY);
	else
		add_node(e, n);
}

/* A local part of another form is none of a user, nor a key of aliases; it is looked up as it is, and not found. */
static bool
add_lower(struct expansion *e, struct str name, uint32_t *offset)
{
	char lower[ADDRESS_LOCAL_MAX + 1];

	return str_copy_lower(name, lower, sizeof(lower)) && add_text(e, str_of(lower), offset);
}

static void
push_name(struct expansion *e, struct action *action, struct str name, struct str domain)
{
	struct node n = { .kind = NODE_NAME, .action = action, .parent = next_number(e) };

	if (!add_lower(e, name, &n.local) || !add_text(e, domain, &n.domain))
		fail(e, REPLY_TEMPORARY);
	else
		add_node(e, n);
}

static bool
add_result(struct expansion *e, uint32_t node)
{
	size_t room = e->results_room == 0 ? 4 : 2 * e->results_room;
	uint32_t *new;

	if (e->results_count == EXPANSION_RESULTS_MAX) {
		fail(e, REPLY_MANY);
		return false;
	}
	if (e->results_count == e->results_room) {
		new = reallocarray(e->results, room, sizeof(*new));
		if (new == NULL) {
			fail(e, REPLY_TEMPORARY);
			return false;
		}
		e->results = new;
		e->results_room = room;
	}
	e->results[e->results_count++] = node;
	return true;
}

/* --- addresses: the rules --- */

static void
read_address(const struct expansion *e, const struct node *n, struct address *out)
{
	memset(out, 0, sizeof(*out));
	(void)strlcpy(out->local, text_at(e, n->local), sizeof(out->local));
	(void)strlcpy(out->domain, text_at(e, n->domain), sizeof(out->domain));
}

static bool
is_postmaster(const struct address *a)
{
	return str_equal_nocase(str_of(a->local), S("postmaster"));
}

/* The first rule that delivers here, whoever asks. */
static struct action *
first_local_action(const struct routing *routing)
{
	const struct config_match *match;
	struct action *action;

	STAILQ_FOREACH (match, &routing->config->matches, next) {
		action = match->action == NULL ? NULL : actions_get(routing->actions, match->action);
		if (action != NULL && action_is_local(action))
			return action;
	}
	return NULL;
}

/*
 * The rules have no place for postmaster at a domain. Where we serve the domain (RFC 5321 section 4.5.1: "postmaster at any of
 * the domains"), the mailbox has to exist for everybody, even if other mail is taken only from this machine.
 */
static struct action *
action_of_postmaster(struct expansion *e, const struct address *a)
{
	const struct config_action *config;
	struct action *action;
	bool own = rules_is_local_domain(e->routing->rules, a->domain);

	if (rules_find(e->routing->rules, e->facts, a, true, &config) == RULE_ACTION) {
		action = actions_get(e->routing->actions, config);
		if (own || action_is_local(action))
			return action;
	}
	return own ? first_local_action(e->routing) : NULL;
}

static struct action *
find_action(struct expansion *e, const struct node *n, const struct address *a)
{
	bool first = e->stage == STAGE_RECIPIENT && n->parent == (uint32_t)(n - e->nodes);
	const struct config_action *config;
	enum rule_found found = rules_find(e->routing->rules, e->facts, a, !first, &config);
	struct action *action;

	if (found == RULE_ACTION)
		return actions_get(e->routing->actions, config);
	action = found != RULE_BLOCK && is_postmaster(a) ? action_of_postmaster(e, a) : NULL;
	if (action != NULL)
		return action;
	if (found != RULE_BLOCK && is_postmaster(a) && rules_is_local_domain(e->routing->rules, a->domain))
		fail(e, REPLY_POSTMASTER);
	else
		fail(e, found == RULE_NONE ? REPLY_NO_RELAY : REPLY_REJECTED);
	return NULL;
}

static void
step_address(struct expansion *e, uint32_t number)
{
	struct node *n = &e->nodes[number];
	struct action *action;
	struct address a;

	read_address(e, n, &a);
	action = find_action(e, n, &a);
	if (action == NULL)
		return;
	n->action = action;
	if (!action_is_local(action)) {
		(void)add_result(e, number);
		return;
	}
	if (n->parent == number && is_postmaster(&a))
		e->postmaster = action;
	struct node name = { .kind = NODE_NAME, .action = action, .parent = number, .depth = n->depth };
	name.domain = n->domain;
	if (!add_lower(e, str_of(a.local), &name.local))
		fail(e, REPLY_MANY);
	else
		add_node(e, name);
}

/* --- names: the aliases --- */

static void step_value(struct expansion *e, uint32_t number, struct str value, bool included);

static void
step_include(struct expansion *e, uint32_t number, struct str path)
{
	struct str rest, line;
	unsigned lines = 0;
	char name[ALIAS_ELEMENT_MAX + 1];
	enum stage stage = e->stage;

	/* The text of the element is overwritten by those of the file. */
	if (!str_copy(path, name, sizeof(name)) ||
	    !alias_table_include(e->nodes[number].action->aliases, str_of(name), &rest)) {
		fail(e, REPLY_BAD_ALIAS);
		return;
	}
	while (e->state == STATE_RUNS && e->stage == stage && alias_table_line(&rest, &line, &lines))
		step_value(e, number, line, true);
}

static void
step_element(struct expansion *e, uint32_t number, const struct alias_element *element, bool included)
{
	struct node *from = &e->nodes[number];
	struct node n = { .parent = number, .depth = from->depth + 1, .action = from->action, .domain = from->domain };
	bool ok = true;

	switch (element->kind) {
	case ALIAS_USER:
		n.kind = NODE_NAME;
		ok = add_lower(e, element->text, &n.local);
		break;
	case ALIAS_ADDRESS:
		n.kind = NODE_ADDRESS;
		n.action = NULL;
		ok = add_text(e, str_of(element->address.local), &n.local) &&
		    add_text(e, str_of(element->address.domain), &n.domain);
		break;
	case ALIAS_ERROR: fail_as_told(e, element); return;
	case ALIAS_INCLUDE:
		if (included)
			fail(e, REPLY_BAD_ALIAS);
		else
			step_include(e, number, element->text);
		return;
	case ALIAS_COMMAND:
	case ALIAS_FILE: fail(e, REPLY_NOT_YET); return;
	}
	if (!ok)
		fail(e, REPLY_MANY);
	else
		add_node(e, n);
}

/* fail may have begun anew, for postmaster: what is left of this value belongs to the past then. */
static void
step_value(struct expansion *e, uint32_t number, struct str value, bool included)
{
	struct alias_reader reader;
	struct alias_element element;
	enum alias_found found = ALIAS_ELEMENT;
	enum stage stage = e->stage;

	alias_begin(&reader, value);
	while (found == ALIAS_ELEMENT && e->state == STATE_RUNS && e->stage == stage) {
		found = alias_read(&reader, &element, NULL);
		if (found == ALIAS_ELEMENT)
			step_element(e, number, &element, included);
	}
	if (found == ALIAS_BAD)
		fail(e, REPLY_BAD_ALIAS);
}

static bool
find_alias(const struct expansion *e, const struct node *n, struct str *value)
{
	struct str name = str_of(text_at(e, n->local)), base, tag;

	if (n->action->aliases == NULL)
		return false;
	if (alias_table_find(n->action->aliases, name, value))
		return true;
	return str_cut(name, e->routing->config->smtp_sub_addr_delim, &base, &tag) && base.len > 0 &&
	    alias_table_find(n->action->aliases, base, value);
}

static void
step_name(struct expansion *e, uint32_t number)
{
	struct node user = e->nodes[number];
	struct str value;

	if (find_alias(e, &user, &value)) {
		step_value(e, number, value, false);
		return;
	}
	user.kind = NODE_USER;
	user.parent = number;
	add_node(e, user);
}

/* --- users --- */

static void
judge_user(struct expansion *e, uint32_t number, const struct user *user)
{
	const struct node *n = &e->nodes[number];

	switch (user->status) {
	case PROTO_ANSWER_TEMPORARY: fail(e, REPLY_TEMPORARY); return;
	case PROTO_ANSWER_NONE: fail(e, n->again ? REPLY_LOOP : REPLY_NO_USER); return;
	case PROTO_ANSWER_FOUND: break;
	}
	if (user->uid == 0 && n->action->config->user == NULL)
		fail(e, REPLY_ROOT);
	else
		(void)add_result(e, number);
}

static struct str
user_name(const struct expansion *e, const struct node *n)
{
	struct str name = str_of(text_at(e, n->local)), base, tag;

	if (str_cut(name, e->routing->config->smtp_sub_addr_delim, &base, &tag) && base.len > 0)
		return base;
	return name;
}

static void
step_user(struct expansion *e, uint32_t number)
{
	const struct node *n = &e->nodes[number];
	const struct user *user =
	    action_get_user(n->action, e->routing->users, user_name(e, n), false, &e->wait, &e->room);

	if (user != NULL)
		judge_user(e, number, user);
	else
		e->state = STATE_WAITS;
}

/* --- the machine --- */

static void
step(struct expansion *e)
{
	uint32_t number = (uint32_t)e->cursor++;

	switch (e->nodes[number].kind) {
	case NODE_ADDRESS: step_address(e, number); break;
	case NODE_NAME: step_name(e, number); break;
	case NODE_USER: step_user(e, number); break;
	}
}

static void
run(struct expansion *e)
{
	while (e->state == STATE_RUNS) {
		if (e->cursor < e->nodes_count)
			step(e);
		else if (e->results_count == 0)
			fail(e, REPLY_LOOP);
		else
			e->state = STATE_DONE;
	}
}

static void
on_user(void *arg, const struct user *user)
{
	struct expansion *e = arg;

	e->state = STATE_RUNS;
	judge_user(e, (uint32_t)e->cursor - 1, user);
	run(e);
	if (e->state == STATE_DONE)
		e->done_fn(e->arg);
}

/* --- birth and death --- */

static struct expansion *
new_expansion(void)
{
	struct expansion *e = pool;

	if (!hash_key_made)
		arc4random_buf(hash_key, sizeof(hash_key));
	hash_key_made = true;
	if (e != NULL) {
		pool = e->next;
		pool_count--;
		return e;
	}
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return NULL;
	buf_init(&e->texts, EXPANSION_TEXT_MAX);
	e->nodes = e->nodes_inline;
	e->nodes_room = NODES_INLINE;
	e->slots = e->slots_inline;
	e->slots_count = SLOTS_INLINE;
	return e;
}

static void
free_expansion(struct expansion *e)
{
	buf_clear(&e->texts);
	if (e->nodes != e->nodes_inline)
		free(e->nodes);
	if (e->slots != e->slots_inline)
		free(e->slots);
	free(e->results);
	free(e);
}

struct expansion *
expansion_begin(struct routing *routing, const struct rule_facts *facts, const struct address *recipient,
    expansion_done_fn *done_fn, void *arg)
{
	struct expansion *e = new_expansion();

	if (e == NULL)
		return NULL;
	reset_work(e);
	e->routing = routing;
	e->facts = facts;
	e->done_fn = done_fn;
	e->arg = arg;
	e->state = STATE_RUNS;
	e->steps = 0;
	e->wait = (struct users_wait){ .fn = on_user, .arg = e };
	e->postmaster = NULL;
	e->stage = STAGE_RECIPIENT;
	e->reply = REPLY_OK;
	e->code = 0;
	push_address(e, recipient);
	run(e);
	return e;
}

void
expansion_end(struct expansion *e)
{
	bool small;

	if (e == NULL)
		return;
	users_cancel(e->routing->users, &e->wait);
	small = e->nodes == e->nodes_inline && e->slots == e->slots_inline && e->texts.cap <= POOL_TEXT_MAX;
	if (!small || pool_count == POOL_MAX) {
		free_expansion(e);
		return;
	}
	e->next = pool;
	pool = e;
	pool_count++;
}

bool
expansion_is_done(const struct expansion *e)
{
	return e->state == STATE_DONE;
}

void
expansion_give_up(struct expansion *e)
{
	users_cancel(e->routing->users, &e->wait);
	e->reply = REPLY_TEMPORARY;
	e->code = 0;
	e->state = STATE_DONE;
}

struct expansion_answer
expansion_answer(const struct expansion *e)
{
	const struct reply_row *row = reply_row(e->reply);

	if (e->code != 0)
		return (struct expansion_answer){ e->code, e->enhanced, str_of(e->text) };
	return (struct expansion_answer){ row->code, row->enhanced, str_of(row->text) };
}

bool
expansion_lacks_postmaster(const struct expansion *e)
{
	return e->state == STATE_DONE && e->reply == REPLY_POSTMASTER;
}

size_t
expansion_count(const struct expansion *e)
{
	return e->results_count;
}

void
expansion_get(const struct expansion *e, size_t i, struct delivery *out)
{
	const struct node *n = &e->nodes[e->results[i]];
	struct str user = STR("");

	out->kind = n->kind == NODE_USER ? PROTO_DELIVERY_LOCAL : PROTO_DELIVERY_RELAY;
	out->action = n->action;
	if (n->kind == NODE_USER)
		user = user_name(e, n);
	(void)str_copy(user, out->user, sizeof(out->user));
	read_address(e, n, &out->recipient);
}

void
expansion_free_pool(void)
{
	struct expansion *e;

	while ((e = pool) != NULL) {
		pool = e->next;
		free_expansion(e);
	}
	pool_count = 0;
}
