/* SPDX-License-Identifier: ISC */
#include "ctl/status.h"

#include <stdlib.h>
#include <string.h>

static struct status_value *
find(struct status *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		if (strcmp(s->values[i].name, name) == 0)
			return &s->values[i];
	return NULL;
}

static void
add(struct status *s, const struct msg_status_value *value)
{
	char name[STATUS_NAME_MAX + 1];
	struct status_value *row;

	if (!str_copy(value->name, name, sizeof(name)))
		return;
	row = find(s, name);
	if (row == NULL) {
		if (s->count == CTL_VALUES_MAX)
			return;
		row = &s->values[s->count++];
		memcpy(row->name, name, sizeof(name));
		row->value = 0;
	}
	row->value += value->value;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct status_value *)a)->name, ((const struct status_value *)b)->name);
}

bool
status_get(struct wire *w, struct status *out, struct error *err)
{
	union proto_message msg;
	enum proto_type type;

	out->count = 0;
	if (!WIRE_ASK(w, STATUS_ASK, status_ask, err, .nothing = false))
		return false;
	do {
		if (!wire_next(w, &type, &msg, err))
			return false;
		if (type == PROTO_STATUS_VALUE_TYPE)
			add(out, &msg.status_value);
	} while (type != PROTO_ANSWER_END_TYPE);
	(void)str_copy(msg.answer_end.text, out->version, sizeof(out->version));
	qsort(out->values, out->count, sizeof(out->values[0]), compare);
	return true;
}

uint64_t
status_value(const struct status *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		if (strcmp(s->values[i].name, name) == 0)
			return s->values[i].value;
	return 0;
}
