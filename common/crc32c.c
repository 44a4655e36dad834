/* SPDX-License-Identifier: ISC */
#include "common/crc32c.h"

#include <endian.h>
#include <string.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

/*
 * Eight bytes a step, by table: tables[k][b] is the CRC of the byte b with k zero bytes behind it. It is linear in b,
 * so that the eight values of single bits make all 256 of a row, at compile time: nothing to initialise, no page of
 * one's own.
 */
/* clang-format off */
#define BIT(b, i, value) ((b) >> (i) & 1 ? (value) : 0u)
#define ENTRY(b, v0, v1, v2, v3, v4, v5, v6, v7) \
	BIT(b, 0, v0) ^ BIT(b, 1, v1) ^ BIT(b, 2, v2) ^ BIT(b, 3, v3) ^ \
	BIT(b, 4, v4) ^ BIT(b, 5, v5) ^ BIT(b, 6, v6) ^ BIT(b, 7, v7)
#define ENTRIES_4(b, ...) \
	ENTRY(b, __VA_ARGS__), ENTRY((b) + 1, __VA_ARGS__), \
	ENTRY((b) + 2, __VA_ARGS__), ENTRY((b) + 3, __VA_ARGS__)
#define ENTRIES_16(b, ...) \
	ENTRIES_4(b, __VA_ARGS__), ENTRIES_4((b) + 4, __VA_ARGS__), \
	ENTRIES_4((b) + 8, __VA_ARGS__), ENTRIES_4((b) + 12, __VA_ARGS__)
#define ENTRIES_64(b, ...) \
	ENTRIES_16(b, __VA_ARGS__), ENTRIES_16((b) + 16, __VA_ARGS__), \
	ENTRIES_16((b) + 32, __VA_ARGS__), ENTRIES_16((b) + 48, __VA_ARGS__)
#define TABLE(...) { \
	ENTRIES_64(0, __VA_ARGS__), ENTRIES_64(64, __VA_ARGS__), \
	ENTRIES_64(128, __VA_ARGS__), ENTRIES_64(192, __VA_ARGS__) }

static const uint32_t tables[8][256] = {
	TABLE(0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf, 0x105ec76f, 0x20bd8ede, 0x417b1dbc, 0x82f63b78),
	TABLE(0x13a29877, 0x274530ee, 0x4e8a61dc, 0x9d14c3b8, 0x3fc5f181, 0x7f8be302, 0xff17c604, 0xfbc3faf9),
	TABLE(0xa541927e, 0x4f6f520d, 0x9edea41a, 0x38513ec5, 0x70a27d8a, 0xe144fb14, 0xc76580d9, 0x8b277743),
	TABLE(0xdd45aab8, 0xbf672381, 0x7b2231f3, 0xf64463e6, 0xe964b13d, 0xd725148b, 0xaba65fe7, 0x52a0c93f),
	TABLE(0x38116fac, 0x7022df58, 0xe045beb0, 0xc5670b91, 0x8f2261d3, 0x1ba8b557, 0x37516aae, 0x6ea2d55c),
	TABLE(0xef306b19, 0xdb8ca0c3, 0xb2f53777, 0x6006181f, 0xc00c303e, 0x85f4168d, 0x0e045beb, 0x1c08b7d6),
	TABLE(0x68032cc8, 0xd0065990, 0xa5e0c5d1, 0x4e2dfd53, 0x9c5bfaa6, 0x3d5b83bd, 0x7ab7077a, 0xf56e0ef4),
	TABLE(0x493c7d27, 0x9278fa4e, 0x211d826d, 0x423b04da, 0x847609b4, 0x0d006599, 0x1a00cb32, 0x34019664),
};
/* clang-format on */

static uint64_t
load_le64(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return le64toh(word);
}

static uint32_t
update_byte(uint32_t crc, uint8_t byte)
{
	return crc >> 8 ^ tables[0][(crc ^ byte) & 0xff];
}

uint32_t
crc32c_portable(uint32_t seed, const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint32_t crc = ~seed;
	uint64_t word;

	for (; len >= 8; bytes += 8, len -= 8) {
		word = load_le64(bytes) ^ crc;
		crc = tables[7][word & 0xff] ^ tables[6][word >> 8 & 0xff] ^ tables[5][word >> 16 & 0xff] ^
		    tables[4][word >> 24 & 0xff] ^ tables[3][word >> 32 & 0xff] ^ tables[2][word >> 40 & 0xff] ^
		    tables[1][word >> 48 & 0xff] ^ tables[0][word >> 56];
	}
	for (; len > 0; len--)
		crc = update_byte(crc, *bytes++);
	return ~crc;
}

#if defined(__x86_64__)

#define HARDWARE __attribute__((target("sse4.2")))

static bool
has_hardware(void)
{
	return __builtin_cpu_supports("sse4.2");
}

HARDWARE static uint64_t
step_word(uint64_t crc, uint64_t word)
{
	return __builtin_ia32_crc32di(crc, word);
}

HARDWARE static uint64_t
step_byte(uint64_t crc, uint8_t byte)
{
	return __builtin_ia32_crc32qi((uint32_t)crc, byte);
}

#elif defined(__aarch64__)

/* The two compilers name the same instructions differently. */
#ifdef __clang__
#define HARDWARE               __attribute__((target("crc")))
#define CRC32C_WORD(crc, word) __builtin_arm_crc32cd((crc), (word))
#define CRC32C_BYTE(crc, byte) __builtin_arm_crc32cb((crc), (byte))
#else
#define HARDWARE               __attribute__((target("+crc")))
#define CRC32C_WORD(crc, word) __builtin_aarch64_crc32cx((crc), (word))
#define CRC32C_BYTE(crc, byte) __builtin_aarch64_crc32cb((crc), (byte))
#endif

#define HWCAP_CRC32_BIT (1UL << 7) /* of the kernel's AT_HWCAP on arm64 */

static bool
has_hardware(void)
{
	return (getauxval(AT_HWCAP) & HWCAP_CRC32_BIT) != 0;
}

HARDWARE static uint64_t
step_word(uint64_t crc, uint64_t word)
{
	return CRC32C_WORD((uint32_t)crc, word);
}

HARDWARE static uint64_t
step_byte(uint64_t crc, uint8_t byte)
{
	return CRC32C_BYTE((uint32_t)crc, byte);
}

#endif

#ifdef HARDWARE

HARDWARE static uint32_t
update_by_hardware(uint32_t seed, const uint8_t *bytes, size_t len)
{
	uint64_t crc = (uint32_t)~seed;

	for (; len >= 8; bytes += 8, len -= 8)
		crc = step_word(crc, load_le64(bytes));
	for (; len > 0; len--)
		crc = step_byte(crc, *bytes++);
	return ~(uint32_t)crc;
}

bool
crc32c_in_hardware(void)
{
	return has_hardware();
}

uint32_t
crc32c(uint32_t seed, const void *data, size_t len)
{
	return has_hardware() ? update_by_hardware(seed, data, len) : crc32c_portable(seed, data, len);
}

#else

bool
crc32c_in_hardware(void)
{
	return false;
}

uint32_t
crc32c(uint32_t seed, const void *data, size_t len)
{
	return crc32c_portable(seed, data, len);
}

#endif
