/* SPDX-License-Identifier: ISC */
#include "parent/requests.h"

#include <sys/wait.h>

#include <grp.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "parent/daemon.h"
#include "parent/limits.h"

static struct {
	bool has_mail_group;
	gid_t mail_group;
} requests;

void
requests_init(void)
{
	const struct group *mail = getgrnam("mail");

	requests.has_mail_group = mail != NULL;
	if (mail != NULL)
		requests.mail_group = mail->gr_gid;
}

static void
refuse_mailbox(uint64_t number, bool permanent, const char *why)
{
	struct child *queue = family_find(PROTO_KIND_QUEUE, 0);

	if (queue != NULL && queue->channel != NULL)
		SEND(queue->channel, MAILBOX_ENDED, mailbox_ended, number, .permanent = permanent, .text = str_of(why));
}

void
requests_mailbox_ended(uint64_t number, int status)
{
	refuse_mailbox(
	    number, false, WIFSIGNALED(status) ? "the mailbox process was killed" : "the mailbox process has ended");
}

/* The action that the statement names, where it delivers to a mailbox; NULL for anything else. */
static const struct config_action *
find_action(uint64_t index)
{
	const struct config_action *action;

	STAILQ_FOREACH (action, &postern.config->actions, next)
		if (action->index == index)
			return action->method == CONFIG_METHOD_MBOX || action->method == CONFIG_METHOD_MAILDIR ? action
													       : NULL;
	return NULL;
}

static gid_t
group_at(const struct msg_statement *s, size_t i)
{
	gid_t group;

	memcpy(&group, s->groups.ptr + i * sizeof(group), sizeof(group));
	return group;
}

/* Whether every number is somebody's: the largest is none, and to the calls that change ids it means "leave it as it is". */
static bool
ids_are_real(const struct msg_statement *s)
{
	size_t i;

	if (s->groups.len % sizeof(gid_t) != 0 || s->uid >= (uid_t)-1 || s->gid >= (gid_t)-1)
		return false;
	for (i = 0; i < s->groups.len / sizeof(gid_t); i++)
		if (group_at(s, i) == (gid_t)-1)
			return false;
	return true;
}

/* What is wrong with a statement that the MAC says is the router's, NULL when nothing is. */
static const char *
judge(const struct msg_statement *s)
{
	if ((int64_t)s->expires_ms < loop_wall_ms())
		return "the delivery statement is too old";
	if (find_action(s->action) == NULL)
		return "the action of the delivery statement does not deliver to a mailbox";
	if (s->uid == 0 || s->gid == 0)
		return "deliveries as root are refused";
	if (!postern.privileged && s->uid != geteuid())
		return "not started as root: deliveries to other users are not possible";
	if (!ids_are_real(s))
		return "the delivery statement is broken";
	if (family_mailboxes() >= PARENT_MAILBOXES_MAX)
		return "too many mailbox processes";
	return NULL;
}

/* The user's groups but root's; for an mbox the group mail, which owns the directory of mailboxes. */
static size_t
collect_groups(const struct msg_statement *s, bool mbox, gid_t groups[PROTO_GROUPS_MAX + 1])
{
	size_t n = 0, i;

	for (i = 0; i < s->groups.len / sizeof(gid_t); i++)
		if (group_at(s, i) != 0)
			groups[n++] = group_at(s, i);
	if (mbox && requests.has_mail_group)
		groups[n++] = requests.mail_group;
	return n;
}

static void
start_mailbox(uint64_t number, const struct msg_statement *s)
{
	const struct config_action *action = find_action(s->action);
	bool mbox = action->method == CONFIG_METHOD_MBOX;
	gid_t groups[PROTO_GROUPS_MAX + 1];
	struct spawn_user user = { .uid = (uid_t)s->uid, .gid = (gid_t)s->gid, .groups = groups };
	struct child *child;
	struct error err;

	user.groups_count = collect_groups(s, mbox, groups);
	child = family_add_mailbox(number, postern.privileged ? &user : NULL, &err);
	if (child == NULL) {
		refuse_mailbox(number, false, err.text);
		return;
	}
	SEND(child->channel, MAILBOX_SETUP, mailbox_setup, 0, .method = action->method,
	    .sub_addr_delim = (unsigned char)postern.config->smtp_sub_addr_delim,
	    .path = str_of(action->argument == NULL ? "" : action->argument), .user = s->user, .home = s->home,
	    .action = str_of(action->name));
	family_introduce_queue(child);
}

/*
 * The statement proves itself; only no statement at all is the queue's own fault. A number may be in use by a process that a
 * former queue had started and that has not ended yet.
 */
static bool
handle_mailbox_start(uint64_t number, struct str sealed)
{
	struct msg_statement statement;
	const char *wrong;

	if (number > UINT32_MAX || !seal_open(postern.statements, PROTO_STATEMENT_TYPE, sealed, &statement))
		return false;
	wrong = judge(&statement);
	if (wrong == NULL && family_find(PROTO_KIND_MAILBOX, number) != NULL)
		wrong = "an earlier mailbox process has not ended yet";
	if (wrong == NULL)
		start_mailbox(number, &statement);
	else
		refuse_mailbox(number, statement.uid == 0, wrong);
	return true;
}

static void
set_pause(const struct msg_set_pause *set)
{
	bool *const what[] = {
		[PROTO_PAUSE_SMTP] = &postern.paused.smtp,
		[PROTO_PAUSE_MDA] = &postern.paused.mda,
		[PROTO_PAUSE_MTA] = &postern.paused.mta,
	};

	*what[set->what] = set->paused;
	family_tell_all(PROTO_PAUSE_TYPE, &postern.paused); /* those that the table lets hear of it */
}

static void
set_level(bool verbose)
{
	struct msg_level level = { .level = verbose ? LOG_TRACE : LOG_INFO };

	postern.level = (enum log_level)level.level;
	log_set_level(postern.level);
	family_tell_all(PROTO_LEVEL_TYPE, &level);
}

bool
requests_handle(struct child *child, enum proto_type type, uint64_t id, const union proto_message *msg)
{
	(void)child; /* who may send which of these is in the table of proto_table.h */
	switch ((int)type) {
	case PROTO_MAILBOX_START_TYPE: return handle_mailbox_start(id, msg->mailbox_start.statement);
	case PROTO_SET_PAUSE_TYPE: set_pause(&msg->set_pause); return true;
	case PROTO_SET_LEVEL_TYPE: set_level(msg->set_level.verbose); return true;
	case PROTO_STOP_TYPE:
		log_notice("stopping", log_text(LOG_FIELD_reason, "posternctl stop"));
		family_stop();
		return true;
	default: return false;
	}
}
