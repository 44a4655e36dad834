/* SPDX-License-Identifier: ISC */
/*
 * DNS answers on the wire (RFC 1035 section 4), as far as mail routing needs them: the records of the answer section,
 * in order, each checked before it is shown. libunbound has rebuilt what it hands out, and still nothing here trusts a
 * length or a pointer.
 */
#ifndef RESOLVER_PACKET_H
#define RESOLVER_PACKET_H

#include <stdbool.h>

#include "common/str.h"

#define PACKET_NAME_MAX 255 /* bytes of a name as text */

enum packet_type { PACKET_A = 1, PACKET_CNAME = 5, PACKET_MX = 15, PACKET_AAAA = 28 };
enum packet_rcode { PACKET_NOERROR = 0, PACKET_SERVFAIL = 2, PACKET_NXDOMAIN = 3 };

struct packet_record {
	enum packet_type type;
	unsigned preference; /* of an MX */
	bool root;           /* the name of the MX is ".": null MX, RFC 7505 */
	bool host_name;      /* the name can be that of a host: no bytes but letters, digits, hyphens and underscores */
	char name[PACKET_NAME_MAX + 1]; /* of the MX or CNAME, in lower case; "" when it is not a host name */
	struct str address;             /* of A or AAAA: 4 or 16 bytes, a view */
};

typedef void packet_record_fn(void *arg, const struct packet_record *record);

/*
 * Calls fn for each A, AAAA, CNAME and MX record of class IN in the answer. Returns false when the packet is broken: it
 * is cut, a name is too long or points forward, a length is wrong; fn may have been called by then. *rcode is set on
 * success.
 */
bool packet_read(struct str packet, unsigned *rcode, packet_record_fn *fn, void *arg);

#endif
