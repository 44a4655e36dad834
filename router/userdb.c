/* SPDX-License-Identifier: ISC */
/*
 * userdb: answers who a user of this machine is. It stands apart from the router because the C library needs files and
 * sockets for that, which the router, who holds tables and keys, is not to have.
 */
#include "common/process.h"
#include "router/passwd.h"

static bool
answer(struct peer *peer, uint64_t id, const union proto_message *msg, int fd)
{
	struct passwd_user user;

	(void)fd;
	passwd_find(msg->user_ask.name, &user);
	SEND(peer->channel, USER_ANSWER, user_answer, id, .status = user.status, .name = msg->user_ask.name,
	    .uid = user.uid, .gid = user.gid,
	    .groups = { (const char *)user.groups, user.groups_count * sizeof(user.groups[0]) },
	    .home = str_of(user.home));
	return true;
}

static void
place(const struct process_setup *setup, struct sandbox_place *out)
{
	(void)setup;
	out->account = "_posternr";
	out->read_only_system = true;
}

/*
 * The C library loads the module of a data base when it first asks it; a module is executable memory, which a confined process
 * cannot have. A name that is nowhere makes it ask them all.
 */
static bool
load_modules(const struct process_setup *setup, struct error *err)
{
	struct passwd_user user;

	(void)setup;
	(void)err;
	passwd_find((struct str)STR("root"), &user);
	passwd_find((struct str)STR("postern-no-such-user"), &user);
	return true;
}

static const struct process userdb = {
	.kind = PROTO_KIND_USERDB,
	.name = "userdb",
	.place = place,
	.open = load_modules,
	.handlers = { [PROTO_USER_ASK_TYPE] = answer },
};

int
main(int argc, char **argv)
{
	return process_run(&userdb, argc, argv);
}
