/* SPDX-License-Identifier: ISC */
/* Promised: who may ask what is the table below and nothing else; whose mail it is about is never the client's word (U02). */
#include "ctl/verbs.h"

#include <string.h>

#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct identity root = { 0, true };
static const struct identity administrator = { 1000, true };
static const struct identity user = { 1001, false };

static const struct {
	enum proto_type type;
	bool administrator, user;
} matrix[] = {
	{ PROTO_STATUS_ASK_TYPE, true, false },
	{ PROTO_QUEUE_LIST_TYPE, true, true },
	{ PROTO_HISTORY_LIST_TYPE, true, true },
	{ PROTO_QUEUE_READ_TYPE, true, true },
	{ PROTO_QUEUE_BACKUP_TYPE, true, false },
	{ PROTO_QUEUE_CHANGE_TYPE, true, true },
	{ PROTO_DESTINATION_LIST_TYPE, true, false },
	{ PROTO_DESTINATION_AGES_TYPE, true, false },
	{ PROTO_DESTINATION_SUSPEND_TYPE, true, false },
	{ PROTO_SET_PAUSE_TYPE, true, false },
	{ PROTO_SET_LEVEL_TYPE, true, false },
	{ PROTO_STOP_TYPE, true, false },
};

static void
test_U02_matrix_of_verbs_and_users(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(matrix); i++) {
		const struct verb *verb = verb_find(matrix[i].type);
		assert_non_null(verb);
		if (verb_allowed(verb, &root) != matrix[i].administrator ||
		    verb_allowed(verb, &administrator) != matrix[i].administrator ||
		    verb_allowed(verb, &user) != matrix[i].user)
			row_fail(verb->name, "%s", "not what the matrix says");
	}
}

/* What the table of messages lets a client send is in our table, and the reverse. */
static void
test_every_message_of_a_client_is_a_verb(void **state)
{
	unsigned type;
	size_t count = 0;

	(void)state;
	for (type = 0; type < PROTO_TYPE_COUNT; type++) {
		bool allowed = proto_allowed(type, PROTO_KIND_CLIENT, PROTO_KIND_CONTROL);
		const struct verb *verb = verb_find((enum proto_type)type);
		if (allowed != (verb != NULL))
			fail_msg("%s", proto_type_name((enum proto_type)type));
		if (verb != NULL && verb->to == VERB_TO_PARENT)
			assert_true(proto_allowed(type, PROTO_KIND_CONTROL, PROTO_KIND_PARENT));
		if (verb != NULL && verb->to != VERB_TO_PARENT)
			assert_true(proto_allowed(type, PROTO_KIND_CONTROL, PROTO_KIND_QUEUE));
		count += allowed;
	}
	assert_int_equal(count, COUNT(matrix));
}

static uint64_t
owner_of(enum proto_type type, const union proto_message *msg)
{
	switch ((int)type) {
	case PROTO_QUEUE_LIST_TYPE: return msg->queue_list.owner;
	case PROTO_QUEUE_READ_TYPE: return msg->queue_read.owner;
	default: return msg->queue_change.owner;
	}
}

static void
test_U02_the_owner_is_filled_in(void **state)
{
	static const enum proto_type types[] = { PROTO_QUEUE_LIST_TYPE, PROTO_QUEUE_READ_TYPE,
		PROTO_QUEUE_CHANGE_TYPE };
	char by[VERB_BY_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(types); i++) {
		union proto_message msg;
		proto_sample(types[i], 0, &msg);
		verb_own(types[i], &user, &msg, by);
		assert_int_equal(owner_of(types[i], &msg), 1001);
		verb_own(types[i], &administrator, &msg, by);
		assert_int_equal(owner_of(types[i], &msg), PROTO_OWNER_ANY);
		verb_own(types[i], &root, &msg, by);
		assert_int_equal(owner_of(types[i], &msg), PROTO_OWNER_ANY);
		if (types[i] == PROTO_QUEUE_CHANGE_TYPE)
			assert_true(str_equal(msg.queue_change.by, S("local:0")));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_U02_matrix_of_verbs_and_users),
		cmocka_unit_test(test_every_message_of_a_client_is_a_verb),
		cmocka_unit_test(test_U02_the_owner_is_filled_in),
	};

	return cmocka_run_group_tests_name("verbs", tests, NULL, NULL);
}
