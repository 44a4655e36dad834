/* SPDX-License-Identifier: ISC */
/*
 * For the tests of the store: a spool in a directory of its own, transactions whose failure fails the test, mail
 * whose every byte follows from its id, and the judge. Include after unit.h.
 */
#ifndef TESTS_UNIT_QUEUE_SPOOL_H
#define TESTS_UNIT_QUEUE_SPOOL_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "queue/store.h"

#define UNUSED __attribute__((unused))

enum { SPOOL_BODY_MAX = 256 * 1024, SPOOL_STEP = 1024 * 1024 };

struct spool {
	char dir[64];
	struct store *store;
	struct store_options options;
};

static UNUSED void
spool_open(struct spool *spool)
{
	struct error err;

	spool->store = store_open(spool->dir, &spool->options, &err);
	if (spool->store == NULL)
		fail_msg("%s", err.text);
}

/* size_max 0: plenty. */
static UNUSED void
spool_new(struct spool *spool, uint64_t size_max)
{
	*spool = (struct spool){ .dir = "/tmp/postern-test-spool-XXXXXX" };
	assert_non_null(mkdtemp(spool->dir));
	spool->options.size_max = size_max == 0 ? (uint64_t)1 << 30 : size_max;
	spool->options.prealloc_step = SPOOL_STEP;
	spool_open(spool);
}

static UNUSED void
spool_reopen(struct spool *spool)
{
	store_close(spool->store);
	spool_open(spool);
}

/* Removes the directory and the files in it. */
static UNUSED void
spool_remove(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	assert_non_null(d);
	while ((entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.')
			assert_int_equal(unlinkat(dirfd(d), entry->d_name, 0), 0);
	assert_int_equal(closedir(d), 0);
	assert_int_equal(rmdir(dir), 0);
}

static UNUSED void
spool_free(struct spool *spool)
{
	store_close(spool->store);
	spool_remove(spool->dir);
}

/* --- transactions --- */

static UNUSED struct store_txn *
begin(struct spool *spool)
{
	struct error err;
	struct store_txn *txn = store_begin(spool->store, &err);

	if (txn == NULL)
		fail_msg("%s", err.text);
	return txn;
}

static UNUSED void
commit(struct store_txn *txn)
{
	enum store_failure failure;
	struct error err;

	if (!store_commit(txn, &failure, &err))
		fail_msg("commit: %s", err.text);
}

static UNUSED struct store_txn *
reading(struct spool *spool)
{
	struct error err;
	struct store_txn *txn = store_read(spool->store, &err);

	if (txn == NULL)
		fail_msg("%s", err.text);
	return txn;
}

/* --- mail --- */

struct mail {
	uint64_t id;
	uint64_t size;
	uint32_t recipients;
	const char *destination;
};

static UNUSED char
mail_byte(uint64_t id, uint64_t at)
{
	return (char)(id * 31 + at * 7 + at / 251);
}

/* The piece of the body that begins at `at`; *len is set to its length. */
static UNUSED const char *
mail_piece(const struct mail *mail, uint64_t at, size_t *len)
{
	static char piece[RECORD_PIECE_DATA];
	size_t i;

	*len = mail->size - at < RECORD_PIECE_DATA ? (size_t)(mail->size - at) : RECORD_PIECE_DATA;
	for (i = 0; i < *len; i++)
		piece[i] = mail_byte(mail->id, at + i);
	return piece;
}

static UNUSED void
put_body(struct store_txn *txn, const struct mail *mail)
{
	uint32_t sequence = 0;
	const char *piece;
	uint64_t at;
	size_t len;

	for (at = 0; at < mail->size; at += len) {
		piece = mail_piece(mail, at, &len);
		store_put_piece(txn, mail->id, sequence++, (struct str){ piece, len });
	}
}

static UNUSED struct record_message
mail_message(const struct mail *mail)
{
	return (struct record_message){ .reverse_path = S("sender@client.example"),
		.size = mail->size,
		.created_ms = 1000 + mail->id,
		.look_ms = 500000 + mail->id,
		.body = PROTO_BODY_8BITMIME,
		.origin = S("192.0.2.1:1234"),
		.owner = PROTO_OWNER_NONE,
		.recipients = mail->recipients,
		.preamble = S("Received: from client.example\r\n") };
}

static UNUSED struct record_recipient
mail_recipient(const struct mail *mail, uint64_t destination)
{
	return (struct record_recipient){ .kind = PROTO_DELIVERY_RELAY,
		.forward_path = S("someone@destination.example"),
		.recipient = S("someone@destination.example"),
		.action = S("outbound"),
		.destination = destination,
		.due_us = 2000 + mail->id,
		.expires_ms = 500000 + mail->id };
}

static UNUSED void
put_mail(struct store_txn *txn, const struct mail *mail)
{
	struct record_message message = mail_message(mail);
	struct record_recipient recipient;
	uint64_t destination;
	uint32_t i;

	put_body(txn, mail);
	store_put_message(txn, mail->id, &message);
	destination = store_destination(txn, PROTO_DELIVERY_RELAY, str_of(mail->destination));
	recipient = mail_recipient(mail, destination);
	for (i = 0; i < mail->recipients; i++)
		store_put_recipient(txn, mail->id, i, &recipient);
}

static UNUSED void
delete_mail(struct store_txn *txn, const struct mail *mail)
{
	bool last = false;
	uint32_t i;

	for (i = 0; i < mail->recipients; i++)
		store_delete_recipient(txn, mail->id, i, &last);
	assert_true(last || store_failed(txn) != STORE_OK);
	store_delete_message(txn, mail->id);
}

/* What has_mail does with a mail that is another than what was put; NULL: the test fails. */
static UNUSED void (*on_another_mail)(void);

static UNUSED void
another_mail(const struct mail *mail, const char *what)
{
	if (on_another_mail != NULL)
		on_another_mail();
	fail_msg("%s of message %llu is another", what, (unsigned long long)mail->id);
}

/*
 * Whether the mail is there with every byte; a part of it that is damaged is told by *damaged, where that is not
 * NULL.
 */
static UNUSED bool
has_mail(struct store_txn *txn, const struct mail *mail, bool *damaged)
{
	struct record_message message;
	struct record_recipient recipient;
	enum store_found found = store_get_message(txn, mail->id, &message, NULL);
	uint32_t sequence = 0, i;
	const char *piece;
	struct str data;
	uint64_t at;
	size_t len;

	if (found == STORE_FOUND && (message.size != mail->size || !str_equal(message.origin, S("192.0.2.1:1234"))))
		another_mail(mail, "the record");
	for (i = 0; found == STORE_FOUND && i < mail->recipients; i++) {
		found = store_get_recipient(txn, mail->id, i, &recipient, NULL);
		if (found == STORE_FOUND && !str_equal(recipient.recipient, S("someone@destination.example")))
			another_mail(mail, "a recipient");
	}
	for (at = 0; found == STORE_FOUND && at < mail->size; at += len) {
		piece = mail_piece(mail, at, &len);
		found = store_get_piece(txn, mail->id, sequence++, &data, NULL);
		if (found == STORE_FOUND && !str_equal(data, (struct str){ piece, len }))
			another_mail(mail, "a piece");
	}
	if (found == STORE_BROKEN && damaged != NULL)
		*damaged = true;
	return found == STORE_FOUND;
}

/* --- the judge --- */

static UNUSED void
print_wrong(void *arg, const char *text)
{
	(void)arg;
	print_error("%s\n", text);
}

static UNUSED void
expect_clean(struct spool *spool)
{
	struct store_txn *txn = reading(spool);
	uint64_t wrong = store_check(txn, print_wrong, NULL);

	store_read_end(txn);
	assert_int_equal(wrong, 0);
}

#endif
