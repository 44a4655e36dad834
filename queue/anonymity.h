/* SPDX-License-Identifier: ISC */
/*
 * `history anonymise`: what names a person is cut out of history before it is written, so that nobody, with whatever key,
 * can put it back. Domains, servers, codes, causes and times stay: what the mail service did can still be told. Who
 * removed mail stays too: that is an account of an act of power.
 */
#ifndef QUEUE_ANONYMITY_H
#define QUEUE_ANONYMITY_H

#include "queue/store.h"

store_mask_fn anonymity_mask;

#endif
