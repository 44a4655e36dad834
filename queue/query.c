/* SPDX-License-Identifier: ISC */
#include "queue/query.h"

static bool
asks(const struct proto_query *query, unsigned filters)
{
	return (query->filters & filters) != 0;
}

/* "domain", or where the address has none, nothing. */
static struct str
domain_of(struct str address)
{
	struct str local, domain;

	return str_cut_last(address, '@', &local, &domain) ? domain : S("");
}

/* wanted is an address, or "@domain": every address there. */
static bool
address_matches(struct str wanted, struct str address)
{
	if (wanted.len > 1 && wanted.ptr[0] == '@')
		return str_equal_nocase((struct str){ wanted.ptr + 1, wanted.len - 1 }, domain_of(address));
	return str_equal_nocase(wanted, address);
}

bool
query_takes_message(
    const struct proto_query *query, int64_t now_ms, uint64_t message, const struct record_message *record)
{
	int64_t created_ms = (int64_t)record->created_ms;
	uint64_t age_ms = now_ms > created_ms ? (uint64_t)(now_ms - created_ms) : 0;
	uint64_t size = record->size + record->preamble.len;

	if (query->owner != PROTO_OWNER_ANY && record->owner != query->owner)
		return false;
	if (query->message != 0 && message != query->message)
		return false;
	if (asks(query, PROTO_FILTER_SENDER) && !address_matches(query->sender, record->reverse_path))
		return false;
	if (asks(query, PROTO_FILTER_OLDER) && age_ms < query->older_ms)
		return false;
	if (asks(query, PROTO_FILTER_NEWER) && age_ms >= query->newer_ms)
		return false;
	if (asks(query, PROTO_FILTER_LARGER) && size < query->larger)
		return false;
	return !asks(query, PROTO_FILTER_SMALLER) || size < query->smaller;
}

bool
query_needs_destination(const struct proto_query *query)
{
	return asks(query, PROTO_FILTER_DESTINATION | PROTO_FILTER_CAUSE);
}

bool
query_needs_state(const struct proto_query *query)
{
	return asks(query, PROTO_FILTER_STATE);
}

/* Of a recipient that was not tried itself the reason why its destination is down is what it waits for. */
static bool
cause_matches(unsigned wanted, const struct record_recipient *record, const struct record_destination *destination)
{
	if (record->cause == wanted)
		return true;
	return record->cause == PROTO_CAUSE_NONE && destination != NULL && destination->down &&
	    destination->cause == wanted;
}

bool
query_takes_recipient(const struct proto_query *query, uint32_t number, const struct record_recipient *record,
    const struct record_destination *destination, unsigned state)
{
	if (asks(query, PROTO_FILTER_NUMBER) && number != query->number)
		return false;
	if (asks(query, PROTO_FILTER_RECIPIENT) && !address_matches(query->recipient, record->forward_path) &&
	    !address_matches(query->recipient, record->recipient))
		return false;
	if (asks(query, PROTO_FILTER_DOMAIN) && !str_equal_nocase(query->domain, domain_of(record->recipient)))
		return false;
	if (asks(query, PROTO_FILTER_DESTINATION) &&
	    (destination == NULL || !str_equal_nocase(query->destination, destination->name)))
		return false;
	if (asks(query, PROTO_FILTER_CAUSE) && !cause_matches(query->cause, record, destination))
		return false;
	return !asks(query, PROTO_FILTER_STATE) || state == query->state;
}
