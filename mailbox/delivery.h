/* SPDX-License-Identifier: ISC */
/*
 * One job of queue at a time: the message goes to the mailbox of each of its recipients in turn, with Return-Path and
 * Delivered-To on top and LF for CRLF, as its pieces come from queue. Every recipient gets its JOB_RESULT when its copy is on
 * disk or given up, the job its JOB_END; when queue cannot read the message, those that have none yet are put off. A mailbox
 * that is locked is waited for on the loop, so the parent's PING is answered meanwhile.
 */
#ifndef MAILBOX_DELIVERY_H
#define MAILBOX_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/channel.h"
#include "mailbox/where.h"

struct delivery;

/*
 * Keeps a view of where and of trouble. idle is called whenever a job has ended. trouble: why no mailbox can be reached, the
 * answer to every job; NULL: where is open. Returns fresh.
 */
struct delivery *delivery_new(
    const struct where *where, const struct error *trouble, void (*idle)(void *arg), void *arg);

/* Gives up what is being written. Accepts NULL. */
void delivery_free(struct delivery *d);

/* The messages of a job. c stays open until delivery_stop. Each returns false when queue breaks the conversation's rules. */
bool delivery_take_job(struct delivery *d, struct channel *c, uint64_t id, const struct msg_job *job);
bool delivery_take_rcpt(struct delivery *d, uint64_t id, const struct msg_job_rcpt *rcpt);
bool delivery_take_body(struct delivery *d, uint64_t id, const struct msg_job_body *body);
bool delivery_take_cancel(struct delivery *d, uint64_t id, const struct msg_job_cancel *cancel);

/* The channel is gone: what is not on disk is undone. */
void delivery_stop(struct delivery *d);

bool delivery_busy(const struct delivery *d);

#endif
