/* SPDX-License-Identifier: ISC */
/*
 * Every field of the log, once: its name and what it means. postern-log(5) says the same, and a test compares the two.
 */
#ifndef COMMON_LOG_FIELDS_H
#define COMMON_LOG_FIELDS_H

/* clang-format off */
#define LOG_FIELDS(F) \
	F(action,   "name of the action of the configuration") \
	F(address,  "network address of a client or server, with port; local:UID for a local user") \
	F(bytes,    "size in bytes") \
	F(code,     "SMTP reply code") \
	F(command,  "SMTP command as it was received, without what follows its verb when that is long") \
	F(count,    "number of things the event speaks of") \
	F(delay,    "time since the message was accepted, in seconds") \
	F(destination, "domain, smarthost or local user that a delivery is scheduled for") \
	F(error,    "explanation of what failed, for people") \
	F(fd,       "number of a descriptor") \
	F(file,     "file of the configuration, a table, the spool or a mailbox") \
	F(from,     "reverse-path of the message") \
	F(generation, "how often a process was started, from 1") \
	F(helo,     "name a client gave with EHLO or HELO") \
	F(hop,      "host name or address of the server that answered") \
	F(id,       "message id of a delivery status notification, or another id the event speaks of") \
	F(instance, "number of a worker of its kind, from 0") \
	F(listener, "where a connection came in") \
	F(message,  "message id") \
	F(next,     "time until the next attempt, in seconds") \
	F(peer,     "process at the other end of a channel") \
	F(pid,      "process id") \
	F(process,  "process of the daemon") \
	F(proto,    "ESMTP or SMTP") \
	F(query,    "which recipients a command was about: its filters, empty where it had none") \
	F(rcpts,    "number of recipients") \
	F(reason,   "why, in one word or a few") \
	F(reply,    "SMTP reply, with code and enhanced status code") \
	F(session,  "session id: worker and number, the same in all processes") \
	F(signal,   "number of the signal that ended a process") \
	F(size,     "size of the message in bytes") \
	F(status,   "exit code of a process") \
	F(syscall,  "name of a system call") \
	F(to,       "forward-path of the recipient") \
	F(tries,    "attempts made so far") \
	F(type,     "type of a message between processes") \
	F(user,     "local user") \
	F(version,  "version of Postern")
/* clang-format on */

enum log_field_name {
#define F(name, meaning) LOG_FIELD_##name,
	LOG_FIELDS(F)
#undef F
	    LOG_FIELD_COUNT
};

#endif
