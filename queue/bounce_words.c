/* SPDX-License-Identifier: ISC */
#include "queue/bounce_words.h"

#include <stdlib.h>

const struct bounce_words bounce_words_default = { .language = &bounce_languages[CONFIG_LANGUAGE_ENGLISH],
	.code = "en" };

struct bounce_words *
bounce_words_new(const struct config *config, struct error *err)
{
	struct bounce_words *words = calloc(1, sizeof(*words));

	if (words == NULL) {
		(void)error_set(err, ERROR_TEMPORARY, "out of memory");
		return NULL;
	}
	words->language = &bounce_languages[config->bounce_language];
	words->code = config_language_code(config->bounce_language);
	words->contact = config->bounce_contact;
	words->has_template = config->bounce_template != NULL;
	if (words->has_template && !bounce_template_read(config->bounce_template, &words->template, err)) {
		free(words);
		return NULL;
	}
	return words;
}

void
bounce_words_free(struct bounce_words *words)
{
	if (words == NULL)
		return;
	bounce_template_clear(&words->template);
	free(words);
}
