/* SPDX-License-Identifier: ISC */
#include "queue/bounce_text.h"

#include <inttypes.h>

#include "common/date.h"
#include "common/utf8.h"
#include "queue/bounce_status.h"
#include "queue/bounce_words.h"
#include "queue/limits.h"

#define INDENT "    "

struct letter {
	struct mime_writer *w;
	const struct bounce *b;
	const struct bounce_words *words;
	const struct bounce_rcpt *rcpt; /* whom {hop}, {tries} and {until} are about */
	unsigned actions;               /* of those whom {recipients} names, a bit for each */
	bool last;                      /* {recipients} says how many further ones there are */
};

#define BIT(action) (1u << (action))

/* Which recipients each section of a template speaks of. */
static const unsigned section_actions[BOUNCE_SECTIONS] = {
	[BOUNCE_SECTION_FAILURE] = BIT(BOUNCE_FAILED),
	[BOUNCE_SECTION_DELAY] = BIT(BOUNCE_DELAYED),
	[BOUNCE_SECTION_SUCCESS] = BIT(BOUNCE_DELIVERED) | BIT(BOUNCE_RELAYED),
};

static const struct bounce_words *
words_of(const struct bounce *b)
{
	return b->words != NULL ? b->words : &bounce_words_default;
}

static unsigned
actions_of(const struct bounce *b)
{
	unsigned actions = 0;
	size_t i;

	for (i = 0; i < b->count; i++)
		actions |= BIT(b->rcpts[i].action);
	return actions;
}

struct str
bounce_text_subject(const struct bounce *b)
{
	const struct bounce_words *words = words_of(b);
	unsigned actions = actions_of(b);
	int i;

	for (i = 0; words->has_template && i < BOUNCE_SECTIONS; i++)
		if ((actions & section_actions[i]) != 0)
			return words->template.sections[i].subject;
	for (i = 0; i < BOUNCE_SUBJECT_MIXED; i++)
		if (actions == BIT(i))
			break;
	return str_of(words->language->subjects[i]);
}

/* --- placeholders --- */

static void put_words(struct letter *l, struct str text);

static void
put_phrase(struct letter *l, enum bounce_phrase phrase)
{
	mime_put(l->w, INDENT);
	put_words(l, str_of(l->words->language->phrases[phrase]));
	mime_put(l->w, "\r\n");
}

static bool
has_answer(const struct bounce_rcpt *rcpt)
{
	return rcpt->text.len > 0 || rcpt->code != 0;
}

static enum bounce_phrase
phrase_of(const struct bounce_rcpt *rcpt)
{
	switch (rcpt->action) {
	case BOUNCE_FAILED:
		if (rcpt->expired)
			return rcpt->tries == 1 ? BOUNCE_PHRASE_EXPIRED_ONCE : BOUNCE_PHRASE_EXPIRED;
		if (!has_answer(rcpt))
			return BOUNCE_PHRASE_REFUSED_SILENT;
		return rcpt->hop.len > 0 ? BOUNCE_PHRASE_REFUSED_BY : BOUNCE_PHRASE_REFUSED;
	case BOUNCE_DELAYED: return rcpt->expires_ms > 0 ? BOUNCE_PHRASE_DELAYED_UNTIL : BOUNCE_PHRASE_DELAYED;
	case BOUNCE_DELIVERED: return BOUNCE_PHRASE_DELIVERED;
	case BOUNCE_RELAYED: return rcpt->hop.len > 0 ? BOUNCE_PHRASE_RELAYED_BY : BOUNCE_PHRASE_RELAYED;
	}
	return BOUNCE_PHRASE_REFUSED_SILENT;
}

static void
put_recipient(struct letter *l, const struct bounce_rcpt *rcpt)
{
	enum bounce_phrase phrase = phrase_of(rcpt);

	l->rcpt = rcpt;
	mime_put(l->w, "<");
	mime_put_clean(l->w, rcpt->forward_path);
	mime_put(l->w, ">\r\n");
	put_phrase(l, phrase);
	if (has_answer(rcpt)) {
		if (phrase != BOUNCE_PHRASE_REFUSED_BY && phrase != BOUNCE_PHRASE_REFUSED)
			put_phrase(l, rcpt->hop.len > 0 ? BOUNCE_PHRASE_ANSWER_BY : BOUNCE_PHRASE_ANSWER);
		mime_put(l->w, INDENT);
		bounce_text_put_answer(l->w, INDENT, rcpt);
	}
	mime_put(l->w, "\r\n");
}

/* Without the ends of line behind the last: those of the text follow. */
static void
put_recipients(struct letter *l)
{
	struct str text;
	size_t i;

	for (i = 0; i < l->b->count; i++)
		if ((l->actions & BIT(l->b->rcpts[i].action)) != 0)
			put_recipient(l, &l->b->rcpts[i]);
	if (l->last && l->b->more > 0)
		put_words(l, str_of(l->words->language->more));
	text = buf_str(l->w->out);
	while (text.len > 0 && (text.ptr[text.len - 1] == '\r' || text.ptr[text.len - 1] == '\n'))
		text.len--;
	buf_truncate(l->w->out, text.len);
}

static void
put_hostname(struct letter *l)
{
	mime_put_clean(l->w, l->b->hostname);
}

static void
put_contact(struct letter *l)
{
	if (l->words->contact != NULL) {
		mime_put(l->w, "%s", l->words->contact);
		return;
	}
	mime_put(l->w, "postmaster@");
	mime_put_clean(l->w, l->b->hostname);
}

static void
put_time(struct letter *l, int64_t ms)
{
	char date[DATE_MAX + 1];

	(void)date_format_short(ms / 1000, date);
	mime_put(l->w, "%s", date);
}

static void
put_arrival(struct letter *l)
{
	put_time(l, l->b->accepted_ms);
}

static void
put_message(struct letter *l)
{
	mime_put(l->w, "%016" PRIx64, l->b->original);
}

static void
put_hop(struct letter *l)
{
	mime_put_clean(l->w, l->rcpt->hop);
}

static void
put_tries(struct letter *l)
{
	mime_put(l->w, "%" PRIu64, l->rcpt->tries);
}

static void
put_until(struct letter *l)
{
	put_time(l, l->rcpt->expires_ms);
}

static void
put_more(struct letter *l)
{
	mime_put(l->w, "%" PRIu64, l->b->more);
}

/* --- the text --- */

static void (*const values[])(struct letter *) = {
	[BOUNCE_PLACEHOLDER_HOSTNAME] = put_hostname,
	[BOUNCE_PLACEHOLDER_CONTACT] = put_contact,
	[BOUNCE_PLACEHOLDER_ARRIVAL] = put_arrival,
	[BOUNCE_PLACEHOLDER_MESSAGE] = put_message,
	[BOUNCE_PLACEHOLDER_RECIPIENTS] = put_recipients,
	[BOUNCE_PLACEHOLDER_HOP] = put_hop,
	[BOUNCE_PLACEHOLDER_TRIES] = put_tries,
	[BOUNCE_PLACEHOLDER_UNTIL] = put_until,
	[BOUNCE_PLACEHOLDER_MORE] = put_more,
};

static void
put_lines(struct letter *l, struct str text)
{
	struct str line;

	while (str_cut(text, '\n', &line, &text)) {
		mime_put_str(l->w, line);
		mime_put(l->w, "\r\n");
	}
	mime_put_str(l->w, line);
}

static void
put_words(struct letter *l, struct str text)
{
	enum bounce_placeholder which;
	struct str lines;

	do {
		which = bounce_placeholder_next(&text, &lines, NULL);
		put_lines(l, lines);
		if (which < BOUNCE_PLACEHOLDER_NONE)
			values[which](l);
	} while (which != BOUNCE_PLACEHOLDER_NONE);
}

static void
put_paragraph(struct letter *l, const char *text)
{
	put_words(l, str_of(text));
	mime_put(l->w, "\r\n");
}

/* Those of the actions that come behind this one, which is the last of its kind. */
static unsigned
actions_behind(unsigned actions)
{
	unsigned behind = ~0u;

	while ((behind & actions) != 0)
		behind <<= 1;
	return behind;
}

static bool
names_several(const struct letter *l)
{
	size_t i, n = l->last && l->b->more > 0;

	for (i = 0; i < l->b->count; i++)
		n += (l->actions & BIT(l->b->rcpts[i].action)) != 0;
	return n > 1;
}

static void
put_built_in(struct letter *l, bool whole)
{
	const struct bounce_language *language = l->words->language;
	unsigned actions = actions_of(l->b);
	int i;

	put_paragraph(l, language->intro);
	for (i = BOUNCE_FAILED; i <= BOUNCE_RELAYED; i++) {
		l->actions = BIT(i);
		l->last = (actions & actions_behind(l->actions)) == 0;
		if ((actions & l->actions) != 0)
			put_paragraph(l, language->texts[i][names_several(l)]);
	}
	put_words(l, str_of(language->contact));
	put_words(l, str_of(language->attached[whole]));
}

static void
put_template(struct letter *l)
{
	unsigned actions = actions_of(l->b);
	int i;

	for (i = 0; i < BOUNCE_SECTIONS; i++) {
		l->actions = section_actions[i];
		l->last = (actions & actions_behind(l->actions)) == 0;
		if ((actions & l->actions) == 0)
			continue;
		put_words(l, l->words->template.sections[i].body);
		mime_put(l->w, l->last ? "\r\n" : "\r\n\r\n");
	}
}

void
bounce_text_put(struct mime_writer *w, const struct bounce *b, bool whole)
{
	struct buf text;
	struct mime_writer inner = { .out = &text, .ok = true, .utf8 = w->utf8 };
	struct letter letter = { .w = &inner, .b = b, .words = words_of(b) };
	bool utf8, plain;

	buf_init(&text, QUEUE_DSN_BYTES);
	if (letter.words->has_template)
		put_template(&letter);
	else
		put_built_in(&letter, whole);
	w->ok = w->ok && inner.ok;
	utf8 = utf8_is_needed(buf_str(&text));
	plain = !utf8 && mime_has_plain_lines(buf_str(&text));
	mime_put(w, "Content-Type: text/plain; charset=%s\r\nContent-Language: %s\r\n", utf8 ? "utf-8" : "us-ascii",
	    letter.words->code);
	if (plain) {
		mime_put(w, "\r\n");
		mime_put_str(w, buf_str(&text));
	} else {
		mime_put(w, "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
		mime_put_quoted_printable(w, buf_str(&text));
	}
	buf_clear(&text);
}

void
bounce_text_put_answer(struct mime_writer *w, const char *indent, const struct bounce_rcpt *rcpt)
{
	struct buf answer;

	buf_init(&answer, 4096);
	if (rcpt->code != 0)
		(void)buf_printf(&answer, "%u ", rcpt->code);
	if (bounce_status_is(rcpt->enhanced))
		(void)buf_printf(&answer, "%.*s ", STR_ARG(rcpt->enhanced));
	(void)buf_append_str(&answer, rcpt->text);
	mime_put_folded(w, indent, buf_str(&answer));
	buf_clear(&answer);
}
