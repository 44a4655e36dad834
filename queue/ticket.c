/* SPDX-License-Identifier: ISC */
#include "queue/ticket.h"

static bool
is_current(const struct msg_ticket *ticket, const struct ticket_context *context)
{
	return (int64_t)ticket->expires_ms >= context->wall_ms &&
	    str_equal(ticket->reverse_path, context->reverse_path) && ticket->destination.len > 0 &&
	    (ticket->kind == PROTO_DELIVERY_RELAY || ticket->user.len > 0);
}

enum ticket_verdict
ticket_open(struct seal *seal, struct str sealed, const struct ticket_context *context, struct rcpt **out,
    struct str *origin, uint64_t *owner)
{
	struct msg_ticket ticket;
	struct record_recipient record = { 0 };
	int64_t ttl_s;

	if (!seal_open(seal, PROTO_TICKET_TYPE, sealed, &ticket) || ticket.transaction != context->transaction)
		return TICKET_FORGED;
	if (!is_current(&ticket, context))
		return TICKET_REFUSED;
	ttl_s = ticket.ttl_s != 0 ? (int64_t)ticket.ttl_s : context->default_ttl_s;
	record.kind = ticket.kind;
	record.forward_path = ticket.forward_path;
	record.recipient = ticket.recipient;
	record.user = ticket.user;
	record.action = ticket.action;
	record.expires_ms = (uint64_t)(context->now_ms + ttl_s * 1000);
	record.notify = context->notify;
	record.orcpt = context->orcpt;
	*out = rcpt_new(&record, 0, ticket.destination);
	if (*out != NULL)
		(*out)->ticket = ticket.number << 32 | ticket.part;
	*origin = ticket.origin;
	*owner = ticket.owner;
	return TICKET_GOOD;
}
