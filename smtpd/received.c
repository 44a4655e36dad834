/* SPDX-License-Identifier: ISC */
#include "smtpd/received.h"

#include <string.h>

#include "common/date.h"
#include "common/loop.h"
#include "smtpd/listener.h"
#include "smtpd/session.h"
#include "smtpd/transaction.h"

/* "from helo ([192.0.2.1])", or the local user; the name that the client gave is not verified and stands for itself. */
static bool
write_from(const struct session *s, struct buf *out)
{
	const char *prefix = strchr(s->client, ':') != NULL ? "IPv6:" : "";

	if (s->listener->config->mask_src)
		return true;
	if (s->listener->config->socket)
		return buf_printf(out, "from %s (userid %s)\r\n\t", s->helo, s->client + strlen("local:"));
	return buf_printf(out, "from %s ([%s%s])\r\n\t", s->helo, prefix, s->client);
}

bool
received_write(const struct session *s, struct buf *out)
{
	const struct transaction *t = s->transaction;
	char date[DATE_MAX + 1];

	(void)date_format_5322(loop_wall_ms() / 1000, date);
	if (!buf_append_text(out, "Received: ") || !write_from(s, out) ||
	    !buf_printf(out, "by %s (Postern) with %s id %016llx", session_hostname(s), s->extended ? "ESMTP" : "SMTP",
		(unsigned long long)t->id))
		return false;
	if (t->rcpts == 1 && !buf_printf(out, "\r\n\tfor <%s>", t->first_rcpt))
		return false;
	return buf_printf(out, ";\r\n\t%s\r\n", date);
}
