/* SPDX-License-Identifier: ISC */
#include "ctl/identity.h"

#include <sys/socket.h>

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/proto.h"
#include "ctl/limits.h"

static gid_t administrators = (gid_t)-1;
static uid_t starter; /* who started the daemon: root, or in a try-out an ordinary user */

void
identity_init(void)
{
	const struct group *group = getgrnam("_posternadm");

	starter = geteuid();
	if (group != NULL)
		administrators = group->gr_gid;
}

static bool
has_group(int fd, gid_t primary, gid_t wanted)
{
	socklen_t len = 0;
	bool found = primary == wanted;
	gid_t *groups;
	size_t i;

	if (found || wanted == (gid_t)-1)
		return found;
	/* Asked without room the kernel says how much it wants: ERANGE, or success when there is no group. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 || errno != ERANGE ||
	    len > CONTROL_GROUPS_MAX * sizeof(gid_t))
		return false;
	groups = malloc(len);
	if (groups == NULL || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == -1)
		len = 0;
	for (i = 0; i < len / sizeof(gid_t); i++)
		found = found || groups[i] == wanted;
	free(groups);
	return found;
}

bool
identity_of_peer(int fd, struct identity *out, struct error *err)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1 || len != sizeof(peer))
		return error_set(err, ERROR_PEER, "peer's identity: %s", strerror(errno));
	if (peer.uid >= PROTO_OWNER_NONE)
		return error_set(err, ERROR_PEER, "uid %u: means something else here", peer.uid);
	out->uid = peer.uid;
	out->administrator = peer.uid == 0 || peer.uid == starter || has_group(fd, peer.gid, administrators);
	return true;
}

uint64_t
identity_owner(const struct identity *who)
{
	return who->administrator ? PROTO_OWNER_ANY : who->uid;
}
