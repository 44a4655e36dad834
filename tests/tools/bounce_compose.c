/* SPDX-License-Identifier: ISC */
/*
 * Composes one report to a sender from lines "key value" on standard input, and prints it: for readers that are not ours.
 * "rcpt ADDRESS" begins a recipient; "text" and the rest of the input is the original. Escapes: \xNN in any value.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/bounce.h"
#include "queue/bounce_words.h"
#include "queue/limits.h"

static struct config config;
static struct bounce_rcpt rcpts[QUEUE_JOB_RCPTS_MAX];
static struct bounce bounce = { .hostname = STR("mail.example"),
	.to = STR("ann@near.example"),
	.original = 0x1234,
	.id = 0x5678,
	.randomness = 0x9abcdef012345678,
	.accepted_ms = 1795500000000,
	.now_ms = 1795500123000,
	.rcpts = rcpts };

/* In place; what does not fit the form stays. */
static struct str
unescape(char *text)
{
	char *in = text, *out = text;
	unsigned byte;

	while (*in != '\0') {
		if (in[0] == '\\' && in[1] == 'x' && in[2] != '\0' && in[2] != '{' && in[3] != '\0') {
			const char digits[] = { in[2], in[3], '\0' };
			byte = (unsigned)strtoul(digits, NULL, 16);
			*out++ = (char)byte;
			in += 4;
		} else {
			*out++ = *in++;
		}
	}
	return (struct str){ text, (size_t)(out - text) };
}

static enum config_language
language_of(struct str code)
{
	int i;

	for (i = CONFIG_LANGUAGE_ENGLISH; i < CONFIG_LANGUAGE_SPANISH; i++)
		if (str_equal(code, str_of(config_language_code((enum config_language)i))))
			break;
	return (enum config_language)i;
}

static void
set_rcpt(struct bounce_rcpt *rcpt, const char *key, struct str value)
{
	static const char *const names[] = { "failed", "delayed", "delivered", "relayed" };
	int i;

	if (strcmp(key, "action") == 0)
		for (i = 0; i < 4; i++)
			rcpt->action = str_equal(value, str_of(names[i])) ? (enum bounce_action)i : rcpt->action;
	else if (strcmp(key, "orcpt") == 0)
		rcpt->orcpt = value;
	else if (strcmp(key, "code") == 0)
		rcpt->code = (unsigned)strtoul(value.ptr, NULL, 10);
	else if (strcmp(key, "enhanced") == 0)
		rcpt->enhanced = value;
	else if (strcmp(key, "said") == 0)
		rcpt->text = value;
	else if (strcmp(key, "hop") == 0)
		rcpt->hop = value;
	else if (strcmp(key, "tries") == 0)
		rcpt->tries = strtoul(value.ptr, NULL, 10);
	else if (strcmp(key, "expired") == 0)
		rcpt->expired = true;
	else if (strcmp(key, "tried") == 0)
		rcpt->tried_ms = strtol(value.ptr, NULL, 10);
	else if (strcmp(key, "until") == 0)
		rcpt->expires_ms = strtol(value.ptr, NULL, 10);
	else
		errx(1, "%s: no such key", key);
}

static void
set(const char *key, struct str value)
{
	if (strcmp(key, "rcpt") == 0) {
		if (bounce.count == QUEUE_JOB_RCPTS_MAX)
			errx(1, "too many recipients");
		rcpts[bounce.count++].forward_path = value;
	} else if (strcmp(key, "to") == 0)
		bounce.to = value;
	else if (strcmp(key, "envid") == 0)
		bounce.envid = value;
	else if (strcmp(key, "more") == 0)
		bounce.more = strtoul(value.ptr, NULL, 10);
	else if (strcmp(key, "whole") == 0)
		bounce.whole = true;
	else if (strcmp(key, "language") == 0)
		config.bounce_language = language_of(value);
	else if (strcmp(key, "contact") == 0)
		config.bounce_contact = value.ptr;
	else if (strcmp(key, "template") == 0)
		config.bounce_template = value.ptr;
	else if (bounce.count > 0)
		set_rcpt(&rcpts[bounce.count - 1], key, value);
	else
		errx(1, "%s: no such key", key);
}

static void
read_input(void)
{
	static char text[QUEUE_DSN_ORIGINAL_BYTES];
	char *line = NULL, *value;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, stdin)) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, "text") == 0)
			break;
		value = strchr(line, ' ');
		if (value != NULL)
			*value++ = '\0';
		value = strdup(value != NULL ? value : "");
		if (value == NULL)
			errx(1, "out of memory");
		set(line, unescape(value));
	}
	free(line);
	bounce.text = (struct str){ text, fread(text, 1, sizeof(text), stdin) };
}

int
main(void)
{
	struct bounce_words *words;
	struct error error;
	struct buf out;
	bool eightbit;

	read_input();
	words = bounce_words_new(&config, &error);
	if (words == NULL)
		errx(1, "%s", error.text);
	bounce.words = words;
	buf_init(&out, QUEUE_DSN_BYTES);
	if (!bounce_compose(&bounce, &out, &eightbit))
		errx(1, "no room");
	(void)fwrite(out.data, 1, out.len, stdout);
	bounce_words_free(words);
	buf_clear(&out);
	return 0;
}
