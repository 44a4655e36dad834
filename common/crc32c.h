/* SPDX-License-Identifier: ISC */
/*
 * CRC-32C (Castagnoli, reflected polynomial 0x82f63b78; RFC 3720 section 12.1): the checksum of every record and piece
 * in the store. It finds what a disk or a page lost; it is no protection from somebody who writes on purpose.
 */
#ifndef COMMON_CRC32C_H
#define COMMON_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The checksum of len bytes. seed is 0, or the checksum of what stands before them: crc32c(crc32c(0, a), b) is that
 * of a and b together. data may be NULL when len is 0. Safe in any thread.
 */
uint32_t crc32c(uint32_t seed, const void *data, size_t len);

/* The same without the processor's instruction: crc32c takes it where there is none, and tests compare the two. */
uint32_t crc32c_portable(uint32_t seed, const void *data, size_t len);

/* Whether crc32c uses the processor's instruction here. */
bool crc32c_in_hardware(void);

#endif
