/* SPDX-License-Identifier: ISC */
#include "parent/pulse.h"

void
pulse_asked(struct pulse *p, int64_t now_ms)
{
	if (p->asked_ms == 0)
		p->asked_ms = now_ms;
}

void
pulse_heard(struct pulse *p)
{
	p->asked_ms = 0;
}

bool
pulse_lost(struct pulse *p, int64_t now_ms, int64_t patience_ms, bool late)
{
	if (late && p->asked_ms != 0)
		p->asked_ms = now_ms;
	return p->asked_ms != 0 && now_ms - p->asked_ms > patience_ms;
}
