/* SPDX-License-Identifier: ISC */
#include "ctl/status.h"

#include <stdlib.h>
#include <string.h>

/* Its index, count where there is none. */
static size_t
find(const struct status *s, const char *name)
{
	size_t i = 0;

	while (i < s->count && strcmp(s->values[i].name, name) != 0)
		i++;
	return i;
}

static void
add(struct status *s, const struct msg_status_value *value)
{
	char name[STATUS_NAME_MAX + 1];
	size_t i;

	if (!str_copy(value->name, name, sizeof(name)))
		return;
	i = find(s, name);
	if (i == CTL_VALUES_MAX)
		return;
	if (i == s->count) {
		memcpy(s->values[i].name, name, sizeof(name));
		s->values[i].value = 0;
		s->count++;
	}
	s->values[i].value += value->value;
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

bool
status_has(const struct status *s, const char *name)
{
	return find(s, name) < s->count;
}

uint64_t
status_value(const struct status *s, const char *name)
{
	size_t i = find(s, name);

	return i < s->count ? s->values[i].value : 0;
}
