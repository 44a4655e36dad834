/* SPDX-License-Identifier: ISC */
/*
 * The words of the configuration language, declared once: the lexer looks them up, the manual and the sample are checked
 * against them. Keywords are reserved everywhere, as in smtpd.conf(5). Our own words are keywords only in their place,
 * at the start of a statement or directly after the keyword named; anywhere else they are names like any other.
 */
#ifndef COMMON_CONFIG_WORDS_H
#define COMMON_CONFIG_WORDS_H

/* clang-format off */

/* K(word, token) */
#define CONFIG_KEYWORDS(K)                         \
	K("action", ACTION)                        \
	K("admd", ADMD)                            \
	K("alias", ALIAS)                          \
	K("any", ANY)                              \
	K("auth", AUTH)                            \
	K("auth-optional", AUTH_OPTIONAL)          \
	K("backup", BACKUP)                        \
	K("bounce", BOUNCE)                        \
	K("bypass", BYPASS)                        \
	K("ca", CA)                                \
	K("cert", CERT)                            \
	K("chain", CHAIN)                          \
	K("chroot", CHROOT)                        \
	K("ciphers", CIPHERS)                      \
	K("commit", COMMIT)                        \
	K("compression", COMPRESSION)              \
	K("connect", CONNECT)                      \
	K("data", DATA)                            \
	K("data-line", DATA_LINE)                  \
	K("dhe", DHE)                              \
	K("disconnect", DISCONNECT)                \
	K("domain", DOMAIN)                        \
	K("ehlo", EHLO)                            \
	K("encryption", ENCRYPTION)                \
	K("expand-only", EXPAND_ONLY)              \
	K("fcrdns", FCRDNS)                        \
	K("filter", FILTER)                        \
	K("for", FOR)                              \
	K("forward-only", FORWARD_ONLY)            \
	K("from", FROM)                            \
	K("group", GROUP)                          \
	K("helo", HELO)                            \
	K("helo-src", HELO_SRC)                    \
	K("host", HOST)                            \
	K("hostname", HOSTNAME)                    \
	K("hostnames", HOSTNAMES)                  \
	K("include", INCLUDE)                      \
	K("inet4", INET4)                          \
	K("inet6", INET6)                          \
	K("junk", JUNK)                            \
	K("key", KEY)                              \
	K("limit", LIMIT)                          \
	K("listen", LISTEN)                        \
	K("lmtp", LMTP)                            \
	K("local", LOCAL)                          \
	K("mail-from", MAIL_FROM)                  \
	K("maildir", MAILDIR)                      \
	K("mask-src", MASK_SRC)                    \
	K("masquerade", MASQUERADE)                \
	K("match", MATCH)                          \
	K("max-deferred", MAX_DEFERRED)            \
	K("max-message-size", MAX_MESSAGE_SIZE)    \
	K("mbox", MBOX)                            \
	K("mda", MDA)                              \
	K("mta", MTA)                              \
	K("mx", MX)                                \
	K("no-dsn", NO_DSN)                        \
	K("no-verify", NO_VERIFY)                  \
	K("noop", NOOP)                            \
	K("on", ON)                                \
	K("phase", PHASE)                          \
	K("pki", PKI)                              \
	K("port", PORT)                            \
	K("proc", PROC)                            \
	K("proc-exec", PROC_EXEC)                  \
	K("protocols", PROTOCOLS)                  \
	K("proxy-v2", PROXY_V2)                    \
	K("queue", QUEUE)                          \
	K("quit", QUIT)                            \
	K("rcpt-to", RCPT_TO)                      \
	K("rdns", RDNS)                            \
	K("received-auth", RECEIVED_AUTH)          \
	K("recipient", RECIPIENT)                  \
	K("regex", REGEX)                          \
	K("reject", REJECT)                        \
	K("relay", RELAY)                          \
	K("report", REPORT)                        \
	K("rewrite", REWRITE)                      \
	K("rset", RSET)                            \
	K("scheduler", SCHEDULER)                  \
	K("senders", SENDERS)                      \
	K("smtp", SMTP)                            \
	K("smtp-in", SMTP_IN)                      \
	K("smtp-out", SMTP_OUT)                    \
	K("smtps", SMTPS)                          \
	K("socket", SOCKET)                        \
	K("src", SRC)                              \
	K("srs", SRS)                              \
	K("sub-addr-delim", SUB_ADDR_DELIM)        \
	K("table", TABLE)                          \
	K("tag", TAG)                              \
	K("tagged", TAGGED)                        \
	K("tls", TLS)                              \
	K("tls-require", TLS_REQUIRE)              \
	K("ttl", TTL)                              \
	K("user", USER)                            \
	K("userbase", USERBASE)                    \
	K("verify", VERIFY)                        \
	K("virtual", VIRTUAL)                      \
	K("warn-interval", WARN_INTERVAL)          \
	K("wrapper", WRAPPER)

/*
 * W(word, token, after): after is the token before it, NEWLINE for the start of a statement; LISTEN for any place in that
 * statement where no name is due.
 */
#define CONFIG_OWN_WORDS(W)                        \
	W("spool", SPOOL, NEWLINE)                 \
	W("soft-bounce", SOFT_BOUNCE, NEWLINE)     \
	W("runtime", RUNTIME, NEWLINE)             \
	W("dns", DNS, NEWLINE)                     \
	W("server", SERVER, DNS)                   \
	W("log", LOG, NEWLINE)                     \
	W("json", JSON, LOG)                       \
	W("text", TEXT, LOG)                       \
	W("workers", WORKERS, SMTP)                \
	W("workers", WORKERS, MTA)                 \
	W("private-destinations", PRIVATE_DESTINATIONS, MTA) \
	W("dsn", DSN, LISTEN)                      \
	W("retry", RETRY, QUEUE)                   \
	W("size", SIZE, QUEUE)                     \
	W("memory", MEMORY, QUEUE)                 \
	W("history", HISTORY, NEWLINE)             \
	W("keep", KEEP, HISTORY)                   \
	W("size", SIZE, HISTORY)                   \
	W("anonymise", ANONYMISE, HISTORY)         \
	W("contact", CONTACT, BOUNCE)              \
	W("language", LANGUAGE, BOUNCE)            \
	W("template", TEMPLATE, BOUNCE)            \
	W("postmaster", POSTMASTER, BOUNCE)

/* O(word, only_first, now): words of the syntax before 6.4, at the start of a statement or anywhere, and what stands there since */
#define CONFIG_OLD_WORDS(O)                                                          \
	O("accept", true, "action and match")                                        \
	O("reject", true, "match ... reject")                                        \
	O("limit", true, "smtp limit, mta limit, mda limit or scheduler limit")      \
	O("expire", true, "queue ttl")                                               \
	O("max-message-size", true, "smtp max-message-size")                         \
	O("bounce-warn", true, "bounce warn-interval")                               \
	O("subaddressing-delimiter", true, "smtp sub-addr-delim")                    \
	O("deliver", false, "action \"NAME\" maildir, mbox, lmtp or mda")            \
	O("via", false, "action \"NAME\" relay host URL")                            \
	O("certificate", false, "cert")                                              \
	O("tagged", false, "tag")                                                    \
	O("mask-source", false, "mask-src")                                          \
	O("secure", false, "tls or smtps on a listener, an smtp+tls:// URL for a relay") \
	O("authenticated", false, "auth")                                            \
	O("sender", false, "mail-from")                                              \
	O("recipient", false, "rcpt-to")

/* clang-format on */

#endif
