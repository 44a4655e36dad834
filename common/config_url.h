/* SPDX-License-Identifier: ISC */
/*
 * Relay URLs (config_url_parse is declared in common/config.h), and the schemes of the syntax before 6.4: those load in
 * OpenSMTPD, where their mail is never delivered, so they are recognised to be refused with the right spelling.
 */
#ifndef COMMON_CONFIG_URL_H
#define COMMON_CONFIG_URL_H

#include "common/str.h"

/* The scheme that replaces the URL's old one, e.g. "smtp+tls" for "tls://host"; NULL when its scheme is not an old one. */
const char *config_url_current_spelling(struct str text);

/* What follows the "://", or all of it: the end of text. */
const char *config_url_without_scheme(const char *text);

#endif
