/* SPDX-License-Identifier: ISC */
/*
 * SipHash-2-4 (Aumasson and Bernstein): a hash under a random key. Who does not know the key cannot choose inputs that
 * meet in one bucket, nor guess a value. 64 bits: for tables in memory, not for signatures on what outlives them.
 */
#ifndef COMMON_SIPHASH_H
#define COMMON_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

#define SIPHASH_KEY_SIZE 16 /* bytes */

/* The hash of len bytes; data may be NULL when len is 0. The same on every machine. */
uint64_t siphash24(const uint8_t key[SIPHASH_KEY_SIZE], const void *data, size_t len);

#endif
