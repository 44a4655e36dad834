/* SPDX-License-Identifier: ISC */
/*
 * Every limit of mailbox, once: its value and what it bounds. A test compares them with the manual.
 */
#ifndef MAILBOX_LIMITS_H
#define MAILBOX_LIMITS_H

/* clang-format off */
#define MAILBOX_LIMITS(L) \
	L(MAILBOX_PATH_MAX,        1023,       "bytes of a path after its format specifiers were expanded") \
	L(MAILBOX_NAME_MAX,        255,        "bytes of one name within a path") \
	L(MAILBOX_WRITE_SIZE,      65536,      "bytes gathered before they are written to the mailbox") \
	L(MAILBOX_LOOP_SCAN_MAX,   256 * 1024, "bytes of the header in which Delivered-To is looked for") \
	L(MAILBOX_LOOP_LINE_MAX,   512,        "bytes of a header line that are compared") \
	L(MAILDIR_NAME_TRIES,      8,          "unique names tried for one message") \
	L(MBOX_LOCK_WAIT_MS,       30 * 1000,  "milliseconds to wait for the locks of an mbox before the delivery is put off") \
	L(MBOX_LOCK_RETRY_MS,      250,        "milliseconds between attempts to lock an mbox") \
	L(MBOX_LOCK_STALE_S,       5 * 60,     "seconds after which the lock file of an mbox is taken for left over")
/* clang-format on */

enum {
#define L(name, value, meaning) name = (value),
	MAILBOX_LIMITS(L)
#undef L
};

#endif
