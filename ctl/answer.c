/* SPDX-License-Identifier: ISC */
#include "ctl/answer.h"

#include <errno.h>
#include <string.h>

#include "ctl/format.h"
#include "ctl/json.h"

static void
tell(const struct options *options, const struct error *err)
{
	struct json j;

	(void)fputs("posternctl: ", stderr);
	(void)format_put(stderr, str_of(err->text));
	(void)fputs("\n", stderr);
	if (!options->json)
		return;
	json_init(&j, stdout);
	json_begin_object(&j, NULL);
	json_bool(&j, "ok", false);
	json_text(&j, "error", err->text);
	json_end_object(&j);
	json_end_line(&j);
	(void)fflush(stdout);
}

struct wire *
answer_connect(const struct options *options)
{
	struct error err;
	struct wire *w = wire_open(options->socket, &err);

	if (w == NULL)
		tell(options, &err);
	return w;
}

int
answer_failed(const struct options *options, struct wire *w, const struct error *err)
{
	tell(options, err);
	wire_close(w);
	return COMMAND_FAILED;
}

int
answer_done(struct wire *w)
{
	wire_close(w);
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return COMMAND_OK;
	(void)fprintf(stderr, "posternctl: standard output: %s\n", strerror(errno));
	return COMMAND_FAILED;
}

int
answer_no_id(const char *text)
{
	(void)fputs("posternctl: \"", stderr);
	(void)format_put(stderr, str_of(text));
	(void)fputs("\": expected a message id of up to 16 hexadecimal digits\n", stderr);
	return COMMAND_USAGE;
}
