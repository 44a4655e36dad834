/* SPDX-License-Identifier: ISC */
/* Writes the seeds of the fuzz target proto: samples of every type of message, into a directory, as TYPE-VARIANT. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/proto.h"

enum { VARIANTS = 3, SEED_MAX = 4096 /* bytes; longer samples teach the fuzzer nothing */ };

static bool
write_seed(const char *directory, unsigned type, unsigned variant, struct str payload)
{
	unsigned char head[2] = { (unsigned char)(type & 0xff), (unsigned char)(type >> 8) };
	char path[PATH_MAX];
	bool ok;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s-%u", directory, proto_type_name(type), variant) >= (int)sizeof(path))
		return false;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd == -1)
		return false;
	ok = write(fd, head, sizeof(head)) == sizeof(head) &&
	    write(fd, payload.ptr, payload.len) == (ssize_t)payload.len;
	return close(fd) == 0 && ok;
}

int
main(int argc, char **argv)
{
	struct buf payload;
	unsigned type, variant;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: proto_seed directory\n");
		return 2;
	}
	buf_init(&payload, PROTO_PAYLOAD_MAX);
	for (type = 0; type < PROTO_TYPE_COUNT; type++) {
		for (variant = 0; variant < VARIANTS; variant++) {
			union proto_message msg;
			buf_reset(&payload);
			proto_sample(type, variant, &msg);
			if (!proto_encode(type, &msg, &payload))
				return 1;
			if (payload.len <= SEED_MAX && !write_seed(argv[1], type, variant, buf_str(&payload))) {
				perror(argv[1]);
				return 1;
			}
		}
	}
	buf_clear(&payload);
	return 0;
}
