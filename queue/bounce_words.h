/* SPDX-License-Identifier: ISC */
/*
 * What a site says in the first part of its reports: languages that are built in, and a template of its own. Read once,
 * before the process is confined. Texts have the placeholders of common/bounce_template.h; their lines end with LF.
 */
#ifndef QUEUE_BOUNCE_WORDS_H
#define QUEUE_BOUNCE_WORDS_H

#include "common/bounce_template.h"
#include "common/config.h"
#include "common/error.h"
#include "queue/bounce.h"

/* What a report is about as a whole. */
enum bounce_subject {
	BOUNCE_SUBJECT_FAILED = BOUNCE_FAILED,
	BOUNCE_SUBJECT_DELAYED = BOUNCE_DELAYED,
	BOUNCE_SUBJECT_DELIVERED = BOUNCE_DELIVERED,
	BOUNCE_SUBJECT_RELAYED = BOUNCE_RELAYED,
	BOUNCE_SUBJECT_MIXED,
	BOUNCE_SUBJECTS
};

/* What is said about one recipient; BY has {hop}. */
enum bounce_phrase {
	BOUNCE_PHRASE_REFUSED_BY, /* the words of the server follow */
	BOUNCE_PHRASE_REFUSED,    /* our own words follow */
	BOUNCE_PHRASE_REFUSED_SILENT,
	BOUNCE_PHRASE_EXPIRED_ONCE,
	BOUNCE_PHRASE_EXPIRED, /* {tries}, {arrival} */
	BOUNCE_PHRASE_DELAYED,
	BOUNCE_PHRASE_DELAYED_UNTIL, /* {until} */
	BOUNCE_PHRASE_DELIVERED,
	BOUNCE_PHRASE_RELAYED_BY,
	BOUNCE_PHRASE_RELAYED,
	BOUNCE_PHRASE_ANSWER_BY,
	BOUNCE_PHRASE_ANSWER,
	BOUNCE_PHRASES
};

struct bounce_language {
	const char *subjects[BOUNCE_SUBJECTS];
	const char *intro;
	const char *texts[BOUNCE_RELAYED + 1][2]; /* by enum bounce_action: for one recipient, for several */
	const char *phrases[BOUNCE_PHRASES];
	const char *more;        /* {more} */
	const char *contact;     /* {contact} */
	const char *attached[2]; /* the header, the message */
};

/* By enum config_language. */
extern const struct bounce_language bounce_languages[];

struct bounce_words {
	const struct bounce_language *language;
	const char *code;    /* of the language */
	const char *contact; /* NULL: postmaster of this host */
	struct bounce_template template;
	bool has_template;
};

/* English, without a site. */
extern const struct bounce_words bounce_words_default;

/*
 * By `bounce language`, `bounce contact` and `bounce template` of the configuration, which it keeps a view of. Returns
 * fresh; NULL with err set: file, line, what is wrong and what was expected.
 */
struct bounce_words *bounce_words_new(const struct config *config, struct error *err);
void bounce_words_free(struct bounce_words *words);

#endif
