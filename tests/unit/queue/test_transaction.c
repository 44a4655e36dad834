/* SPDX-License-Identifier: ISC */
/*
 * Promise: DONE means on disk, with every byte; what is refused or given up leaves nothing; and a smtpd that breaks the
 * rules (SECURITY I04, I05, I07) is cut off, while the others go on.
 */
#include "tests/unit/unit.h"

#include "queue/limits.h"
#include "queue/transaction.h"
#include "tests/unit/queue/world.h"

static const struct str text = STR("Subject: x\r\n\r\nhello\r\n");

static void
test_done_means_stored(void **state)
{
	struct end *smtpd = join_smtpd(0);
	uint64_t id = send_message(smtpd, "out/far.example", 3);
	struct record_recipient rcpt;

	(void)state;
	(void)hear(smtpd, PROTO_DONE_TYPE, id);
	assert_int_equal(messages_stored(), 1);
	assert_true(is_stored(id, 2, &rcpt));
	assert_false(is_stored(id, 3, &rcpt));
	assert_int_equal(transactions_count(), 0);
	assert_int_equal(transactions_bytes(), 0);
	expect_consistent();
}

/* 49,152 bytes a piece, as much as the window lets: what smtpd may do at most. */
static uint64_t
stream(struct end *smtpd, size_t size, char *bytes)
{
	uint64_t id = smtpd->next_id++;
	struct msg_ticket ticket = ticket_for(id, 0, "out/far.example");
	size_t sent = 0, credit = 0, i;

	for (i = 0; i < size; i++)
		bytes[i] = (char)(i * 13 + i / 4099);
	send_begin(smtpd, id);
	send_ticket(smtpd, id, &ticket);
	while (sent < size) {
		size_t n = size - sent < 49152 ? size - sent : 49152;
		while (sent + n - credit > QUEUE_WINDOW_BYTES)
			credit += hear(smtpd, PROTO_CREDIT_TYPE, id)->msg.credit.bytes;
		SEND(smtpd->channel, BODY, body, id, .bytes = { bytes + sent, n });
		sent += n;
	}
	return id;
}

static void
expect_text(uint64_t id, const char *bytes, size_t size)
{
	struct store_txn *txn = look();
	struct record_message record;
	struct error err;
	struct str piece;
	size_t at = 0;
	uint32_t sequence = 0;

	assert_int_equal(store_get_message(txn, id, &record, &err), STORE_FOUND);
	assert_int_equal(record.size, size);
	for (; at < size; at += piece.len) {
		assert_int_equal(store_get_piece(txn, id, sequence++, &piece, &err), STORE_FOUND);
		assert_memory_equal(piece.ptr, bytes + at, piece.len);
	}
	store_read_end(txn);
}

static void
test_every_size_comes_whole(void **state)
{
	static const size_t sizes[] = { 1, RECORD_PIECE_DATA - 1, RECORD_PIECE_DATA, RECORD_PIECE_DATA + 1,
		BODY_BLOCK - 1, BODY_BLOCK, BODY_BLOCK + 1, 65535, 65536, 65537, QUEUE_HOT_MESSAGE_BYTES + 1, 3000000 };
	struct end *smtpd = join_smtpd(0);
	char *bytes = malloc(3000000);
	size_t i;

	(void)state;
	assert_non_null(bytes);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t id = stream(smtpd, sizes[i], bytes);
		send_commit(smtpd, id, sizes[i]);
		(void)hear(smtpd, PROTO_DONE_TYPE, id);
		expect_text(id, bytes, sizes[i]);
	}
	free(bytes);
	assert_int_equal(transactions_bytes(), 0);
	expect_consistent();
}

/* --- what is given up --- */

static void
test_abort_in_the_middle_leaves_nothing(void **state)
{
	struct end *smtpd = join_smtpd(0);
	char *bytes = malloc(500000);
	uint64_t id;

	(void)state;
	assert_non_null(bytes);
	id = stream(smtpd, 500000, bytes);
	SEND(smtpd->channel, ABORT, abort, id, .nothing = false);
	free(bytes);
	WAIT_FOR(transactions_count() == 0);
	WAIT_FOR(committer_pending(core.committer) == 0 && !has_piece_left(id));
	assert_int_equal(messages_stored(), 0);
	expect_consistent();
}

static void
test_a_smtpd_that_dies_leaves_nothing(void **state)
{
	struct end *smtpd = join_smtpd(0);
	char *bytes = malloc(500000);
	uint64_t id;

	(void)state;
	assert_non_null(bytes);
	id = stream(smtpd, 500000, bytes);
	world_leave(smtpd);
	free(bytes);
	WAIT_FOR(transactions_count() == 0);
	WAIT_FOR(committer_pending(core.committer) == 0 && !has_piece_left(id));
	expect_consistent();
}

static void
test_what_was_coming_is_swept_at_the_next_start(void **state)
{
	struct end *smtpd = join_smtpd(0);
	char *bytes = malloc(500000);
	uint64_t id;

	(void)state;
	assert_non_null(bytes);
	id = stream(smtpd, 500000, bytes);
	free(bytes);
	settle_down();
	assert_true(has_piece_left(id));
	world_stop();
	world_start();
	WAIT_FOR(!has_piece_left(id));
	expect_consistent();
}

/* The client of smtpd is gone, or smtpd itself, but COMMIT was said: the message is kept. */
static void
test_after_commit_it_is_too_late(void **state)
{
	struct end *smtpd = join_smtpd(0);
	uint64_t id = send_message(smtpd, "out/far.example", 1), second;

	(void)state;
	SEND(smtpd->channel, ABORT, abort, id, .nothing = false);
	(void)hear(smtpd, PROTO_DONE_TYPE, id);
	second = send_message(smtpd, "out/far.example", 1);
	(void)channel_flush(smtpd->channel);
	world_leave(smtpd);
	(void)second;
	settle_down();
	assert_int_equal(messages_stored(), 2);
}

/* --- who breaks the rules --- */

struct breach {
	const char *row;
	void (*run)(struct end *smtpd, uint64_t id); /* after BEGIN of id, and one ticket */
};

static void
foreign_id(struct end *smtpd, uint64_t id)
{
	send_begin(smtpd, id + 100 * (uint64_t)QUEUE_GRANT_IDS);
}

static void
id_of_another_worker(struct end *smtpd, uint64_t id)
{
	struct end *other = join_smtpd(77);

	(void)id;
	send_begin(smtpd, other->next_id);
}

static void
begin_twice(struct end *smtpd, uint64_t id)
{
	send_begin(smtpd, id);
}

static void
begin_again_after_the_end(struct end *smtpd, uint64_t id)
{
	SEND(smtpd->channel, ABORT, abort, id, .nothing = false);
	send_begin(smtpd, id);
}

static void
rcpt_of_nothing(struct end *smtpd, uint64_t id)
{
	struct msg_ticket ticket = ticket_for(id + 1, 0, "out/far.example");
	send_ticket(smtpd, id + 1, &ticket);
}

static void
body_of_nothing(struct end *smtpd, uint64_t id)
{
	SEND(smtpd->channel, BODY, body, id + 1, .bytes = text);
}

static void
commit_of_nothing(struct end *smtpd, uint64_t id)
{
	send_commit(smtpd, id + 1, 0);
}

static void
abort_of_nothing(struct end *smtpd, uint64_t id)
{
	SEND(smtpd->channel, ABORT, abort, id + 100 * (uint64_t)QUEUE_GRANT_IDS, .nothing = false);
}

static void
ticket_of_another_transaction(struct end *smtpd, uint64_t id)
{
	struct msg_ticket ticket = ticket_for(id + 1, 1, "out/far.example");
	send_ticket(smtpd, id, &ticket);
}

static void
rcpt_after_body(struct end *smtpd, uint64_t id)
{
	struct msg_ticket ticket = ticket_for(id, 1, "out/far.example");
	SEND(smtpd->channel, BODY, body, id, .bytes = text);
	send_ticket(smtpd, id, &ticket);
}

static void
empty_body(struct end *smtpd, uint64_t id)
{
	SEND(smtpd->channel, BODY, body, id, .bytes = S(""));
}

static void
more_than_the_window(struct end *smtpd, uint64_t id)
{
	static char bytes[PROTO_CHUNK_MAX];
	int i;

	for (i = 0; i < 3; i++)
		SEND(smtpd->channel, BODY, body, id, .bytes = { bytes, sizeof(bytes) });
}

static void
another_size(struct end *smtpd, uint64_t id)
{
	SEND(smtpd->channel, BODY, body, id, .bytes = text);
	send_commit(smtpd, id, text.len + 1);
}

static void
commit_twice(struct end *smtpd, uint64_t id)
{
	SEND(smtpd->channel, BODY, body, id, .bytes = text);
	send_commit(smtpd, id, text.len);
	send_commit(smtpd, id, text.len);
}

static void
body_after_commit(struct end *smtpd, uint64_t id)
{
	SEND(smtpd->channel, BODY, body, id, .bytes = text);
	send_commit(smtpd, id, text.len);
	SEND(smtpd->channel, BODY, body, id, .bytes = text);
}

static const struct breach breaches[] = {
	{ "an id that nobody was granted", foreign_id },
	{ "an id of another worker", id_of_another_worker },
	{ "BEGIN of an open transaction", begin_twice },
	{ "BEGIN of one that has ended", begin_again_after_the_end },
	{ "RCPT without BEGIN", rcpt_of_nothing },
	{ "BODY without BEGIN", body_of_nothing },
	{ "COMMIT without BEGIN", commit_of_nothing },
	{ "ABORT of an id that was not granted", abort_of_nothing },
	{ "a ticket of another transaction", ticket_of_another_transaction },
	{ "RCPT behind BODY", rcpt_after_body },
	{ "an empty BODY", empty_body },
	{ "more than the window without credit", more_than_the_window },
	{ "another size than came", another_size },
	{ "COMMIT twice", commit_twice },
	{ "BODY behind COMMIT", body_after_commit },
};

static void
test_who_breaks_the_rules_is_cut_off(void **state)
{
	struct end *good = join_smtpd(50);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(breaches) / sizeof(breaches[0]); i++) {
		struct end *smtpd = join_smtpd(i);
		uint64_t id = smtpd->next_id++;
		struct msg_ticket ticket = ticket_for(id, 0, "out/far.example");
		double deadline = seconds_now() + WORLD_SECONDS;
		send_begin(smtpd, id);
		send_ticket(smtpd, id, &ticket);
		breaches[i].run(smtpd, id);
		while (!smtpd->broke && seconds_now() < deadline)
			loop_turn();
		if (!smtpd->broke)
			row_fail(breaches[i].row, "%s", "was not cut off");
		assert_false(good->broke);
	}
	(void)hear(good, PROTO_DONE_TYPE, send_message(good, "out/far.example", 1));
	WAIT_FOR(transactions_count() == 0);
}

static void
test_a_ticket_with_any_bit_changed_is_a_breach(void **state)
{
	struct buf sealed;
	size_t bit, bits;

	(void)state;
	buf_init(&sealed, PROTO_TICKET_MAX);
	for (bit = 0, bits = 1; bit < bits; bit += 53) { /* spread over all of it, and every bit of a byte */
		struct end *smtpd = world.ends_count < WORLD_ENDS_MAX - 1 ? join_smtpd(bit) : NULL;
		uint64_t id;
		struct msg_ticket ticket;
		if (smtpd == NULL)
			break;
		id = smtpd->next_id++;
		ticket = ticket_for(id, 0, "out/far.example");
		buf_reset(&sealed);
		assert_true(seal_make(core.tickets, PROTO_TICKET_TYPE, &ticket, &sealed));
		bits = sealed.len * 8;
		sealed.data[bit / 8] = (char)(sealed.data[bit / 8] ^ (1 << bit % 8));
		send_begin(smtpd, id);
		SEND(smtpd->channel, RCPT, rcpt, id, .ticket = buf_str(&sealed));
		WAIT_FOR(smtpd->broke);
	}
	buf_clear(&sealed);
}

/* --- what is refused without a breach --- */

static void
expired(struct msg_ticket *ticket)
{
	ticket->expires_ms = (uint64_t)loop_wall_ms() - 1;
}

static void
another_sender(struct msg_ticket *ticket)
{
	ticket->reverse_path = S("eve@near.example");
}

static void
another_origin(struct msg_ticket *ticket)
{
	ticket->origin = S("192.0.2.2:1");
}

static void
another_owner(struct msg_ticket *ticket)
{
	ticket->owner = 0;
}

static void
used_twice(struct msg_ticket *ticket)
{
	ticket->number = 0;
}

static void
no_destination(struct msg_ticket *ticket)
{
	ticket->destination = S("");
}

static void
no_user(struct msg_ticket *ticket)
{
	ticket->kind = PROTO_DELIVERY_LOCAL;
}

static const struct {
	const char *row;
	void (*change)(struct msg_ticket *ticket);
} refused[] = {
	{ "a ticket whose time is over", expired },
	{ "one for another sender", another_sender },
	{ "one for another client", another_origin },
	{ "one for another owner", another_owner },
	{ "one that was used in this transaction", used_twice },
	{ "one without destination", no_destination },
	{ "a local one without user", no_user },
};

static void
test_a_wrong_ticket_refuses_the_transaction(void **state)
{
	struct end *smtpd = join_smtpd(0);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		uint64_t id = smtpd->next_id++;
		struct msg_ticket ticket = ticket_for(id, 0, "out/far.example");
		send_begin(smtpd, id);
		send_ticket(smtpd, id, &ticket);
		ticket.number = 1;
		refused[i].change(&ticket);
		send_ticket(smtpd, id, &ticket);
		SEND(smtpd->channel, BODY, body, id, .bytes = text);
		send_commit(smtpd, id, text.len);
		if (hear(smtpd, PROTO_REFUSED_TYPE, id)->msg.refused.reason != PROTO_REFUSAL_TICKET)
			row_fail(refused[i].row, "%s", "another reason");
		settle_down();
		if (smtpd->broke || has_heard(smtpd, PROTO_DONE_TYPE, id) || has_heard(smtpd, PROTO_REFUSED_TYPE, id))
			row_fail(refused[i].row, "%s", "more than one answer, or cut off");
	}
	assert_int_equal(messages_stored(), 0);
	assert_int_equal(transactions_count(), 0);
}

static void
test_tickets_may_come_in_any_order(void **state)
{
	static const unsigned order[] = { 3, 0, 2, 1 };
	struct end *smtpd = join_smtpd(0);
	uint64_t id = smtpd->next_id++;
	size_t i;

	(void)state;
	send_begin(smtpd, id);
	for (i = 0; i < 4; i++) {
		struct msg_ticket ticket = ticket_for(id, order[i], "out/far.example");
		send_ticket(smtpd, id, &ticket);
	}
	send_commit(smtpd, id, 0);
	(void)hear(smtpd, PROTO_DONE_TYPE, id);
	expect_consistent();
}

static void
test_nothing_without_recipients(void **state)
{
	struct end *smtpd = join_smtpd(0);
	uint64_t id = smtpd->next_id++;

	(void)state;
	send_begin(smtpd, id);
	SEND(smtpd->channel, BODY, body, id, .bytes = text);
	send_commit(smtpd, id, text.len);
	(void)hear(smtpd, PROTO_REFUSED_TYPE, id);
	assert_int_equal(messages_stored(), 0);
}

/* Sessions end in another order than they began. */
static void
test_ids_may_come_in_any_order_once(void **state)
{
	struct end *smtpd = join_smtpd(0);
	uint64_t first = smtpd->next_id;

	(void)state;
	smtpd->next_id = first + 5;
	(void)hear(smtpd, PROTO_DONE_TYPE, send_message(smtpd, "out/far.example", 1));
	smtpd->next_id = first + 2;
	(void)hear(smtpd, PROTO_DONE_TYPE, send_message(smtpd, "out/far.example", 1));
	smtpd->next_id = first + 5;
	(void)send_message(smtpd, "out/far.example", 1);
	WAIT_FOR(smtpd->broke);
}

static void
test_ids_are_never_granted_twice(void **state)
{
	uint64_t highest = 0;
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct end *a = join_smtpd(0), *b = join_smtpd(1);
		uint64_t low = a->next_id < b->next_id ? a->next_id : b->next_id;
		uint64_t high = a->next_id < b->next_id ? b->next_id : a->next_id;
		assert_true(low > highest);
		assert_true(high - low >= QUEUE_GRANT_IDS);
		highest = high + QUEUE_GRANT_IDS - 1;
		world_stop();
		world_start();
	}
}

static void
test_a_grant_that_is_half_used_brings_the_next(void **state)
{
	struct end *smtpd = join_smtpd(0);
	uint64_t first = smtpd->next_id;

	(void)state;
	smtpd->next_id = first + QUEUE_GRANT_IDS / 2 - 1;
	(void)hear(smtpd, PROTO_DONE_TYPE, send_message(smtpd, "out/far.example", 1));
	assert_false(has_heard(smtpd, PROTO_GRANT_TYPE, 0));
	(void)hear(smtpd, PROTO_DONE_TYPE, send_message(smtpd, "out/far.example", 1));
	assert_true(hear(smtpd, PROTO_GRANT_TYPE, 0)->msg.grant.first >= first + QUEUE_GRANT_IDS);
	smtpd->next_id = first;
	(void)hear(smtpd, PROTO_DONE_TYPE, send_message(smtpd, "out/far.example", 1));
}

/* --- bounds --- */

/* A client that stalls when all that may come without credit is there, but for less than a block, is on disk. */
static void
test_who_stalls_does_not_stop_the_others(void **state)
{
	enum { STALLED = 1100, SENT = 49152 };
	struct end *smtpd = join_smtpd(0);
	char *bytes = malloc(SENT);
	unsigned i;

	(void)state;
	assert_non_null(bytes);
	for (i = 0; i < STALLED; i++) {
		(void)stream(smtpd, SENT, bytes);
		loop_turn();
		if (i % 64 == 0)
			settle_down();
	}
	free(bytes);
	settle_down();
	assert_int_equal(transactions_count(), STALLED);
	assert_false(has_heard(smtpd, PROTO_REFUSED_TYPE, 0));
	assert_true(transactions_bytes() < QUEUE_INCOMING_TIGHT_BYTES + (QUEUE_INCOMING_TIGHT_BYTES >> 3));
	(void)hear(smtpd, PROTO_DONE_TYPE, send_message(smtpd, "out/far.example", 1));
	assert_false(smtpd->broke);
}

static void
test_what_was_put_out_of_memory_comes_whole(void **state)
{
	enum { STALLED = 700, SENT = 49152 };
	struct end *smtpd = join_smtpd(0);
	char *bytes = malloc(SENT);
	uint64_t first = smtpd->next_id, id;

	(void)state;
	assert_non_null(bytes);
	while (smtpd->next_id < first + STALLED) {
		(void)stream(smtpd, SENT, bytes);
		settle_down();
	}
	for (id = first; id < first + STALLED; id++)
		send_commit(smtpd, id, SENT);
	(void)hear(smtpd, PROTO_DONE_TYPE, first + STALLED - 1);
	settle_down();
	for (id = first; id < first + STALLED; id += 50)
		expect_text(id, bytes, SENT);
	free(bytes);
	assert_int_equal(transactions_bytes(), 0);
	assert_int_equal(messages_stored(), STALLED);
}

static void
send_local(struct end *smtpd, uint64_t id)
{
	struct msg_ticket ticket = ticket_for(id, 0, "out/far.example");

	ticket.origin = S("local:1001");
	ticket.owner = 1001;
	send_begin(smtpd, id);
	send_ticket(smtpd, id, &ticket);
	SEND(smtpd->channel, BODY, body, id, .bytes = text);
	send_commit(smtpd, id, text.len);
}

static void
test_recipients_count_and_a_share_is_left_to_local_users(void **state)
{
	enum { RCPTS = 1000, LONG = 400 };
	static char long_name[LONG];
	struct end *smtpd = join_smtpd(0);
	uint64_t id;
	unsigned i, n;

	(void)state;
	memset(long_name, 'x', LONG);
	for (n = 0; !has_heard(smtpd, PROTO_REFUSED_TYPE, 0); n++) {
		struct msg_ticket ticket = ticket_for(smtpd->next_id, 0, "out/far.example");
		ticket.recipient = ticket.forward_path = (struct str){ long_name, LONG };
		send_begin(smtpd, smtpd->next_id++);
		for (i = 0; i < RCPTS; i++) {
			ticket.number = i;
			send_ticket(smtpd, ticket.transaction, &ticket);
		}
		WAIT_FOR(channel_flush(smtpd->channel));
		settle_down();
		assert_true(n < QUEUE_INCOMING_BYTES / (RCPTS * 2 * LONG));
	}
	assert_true(transactions_bytes() <= QUEUE_INCOMING_BYTES - QUEUE_INCOMING_LOCAL_BYTES);
	assert_true(transactions_bytes() > (QUEUE_INCOMING_BYTES - QUEUE_INCOMING_LOCAL_BYTES) / 10 * 9);
	for (i = 0; i < RCPTS && transactions_bytes() < QUEUE_INCOMING_BYTES - QUEUE_INCOMING_LOCAL_BYTES; i++) {
		struct msg_ticket ticket = ticket_for(smtpd->next_id, 0, "out/far.example");
		ticket.recipient = ticket.forward_path = (struct str){ long_name, LONG };
		send_begin(smtpd, smtpd->next_id);
		send_ticket(smtpd, smtpd->next_id, &ticket);
		WAIT_FOR(channel_flush(smtpd->channel));
		settle_down();
		if (has_heard(smtpd, PROTO_REFUSED_TYPE, smtpd->next_id++))
			break;
	}
	id = send_message(smtpd, "out/far.example", 100); /* more than what is left of it */
	assert_int_equal(hear(smtpd, PROTO_REFUSED_TYPE, id)->msg.refused.reason, PROTO_REFUSAL_TEMPORARY);
	id = smtpd->next_id++;
	send_local(smtpd, id);
	(void)hear(smtpd, PROTO_DONE_TYPE, id);
	assert_false(smtpd->broke);
}

static void
test_room_is_told_at_the_beginning(void **state)
{
	struct end *smtpd = join_smtpd(0);

	(void)state;
	assert_int_equal(hear(smtpd, PROTO_ROOM_TYPE, 0)->msg.room.bytes, world.config.smtp_max_message_size);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_done_means_stored),
		TEST(test_every_size_comes_whole),
		TEST(test_abort_in_the_middle_leaves_nothing),
		TEST(test_a_smtpd_that_dies_leaves_nothing),
		TEST(test_what_was_coming_is_swept_at_the_next_start),
		TEST(test_after_commit_it_is_too_late),
		TEST(test_who_breaks_the_rules_is_cut_off),
		TEST(test_a_ticket_with_any_bit_changed_is_a_breach),
		TEST(test_a_wrong_ticket_refuses_the_transaction),
		TEST(test_tickets_may_come_in_any_order),
		TEST(test_nothing_without_recipients),
		TEST(test_ids_may_come_in_any_order_once),
		TEST(test_ids_are_never_granted_twice),
		TEST(test_a_grant_that_is_half_used_brings_the_next),
		TEST(test_who_stalls_does_not_stop_the_others),
		TEST(test_what_was_put_out_of_memory_comes_whole),
		TEST(test_recipients_count_and_a_share_is_left_to_local_users),
		TEST(test_room_is_told_at_the_beginning),
	};

	world_once();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
