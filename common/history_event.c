/* SPDX-License-Identifier: ISC */
#include "common/history_event.h"

#include <stddef.h>

static const char *const words[RECORD_EVENT_COUNT] = { [EVENT_NONE] = NULL,
#define E(NAME, word) [EVENT_##NAME] = word,
	HISTORY_EVENTS(E)
#undef E
};

const char *
history_event_word(unsigned event)
{
	return event > EVENT_NONE && event < RECORD_EVENT_COUNT ? words[event] : "unknown";
}

bool
history_event_find(struct str word, unsigned *out)
{
	unsigned i;

	for (i = EVENT_NONE + 1; i < RECORD_EVENT_COUNT; i++) {
		if (!str_equal_nocase(word, str_of(words[i])))
			continue;
		*out = i;
		return true;
	}
	return false;
}
