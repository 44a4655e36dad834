/* SPDX-License-Identifier: ISC */
/* cmocka and the headers it needs before it, in the one order that works. */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <sys/wait.h>

#include <signal.h>

/* In a loop over rows: fails with the row's sentence, what was got and what was wanted. */
#define row_fail(row, fmt, ...) fail_msg("%s: " fmt, (row), __VA_ARGS__)

/* Of the status that waitpid gave: that fatal() ended the process, which aborts for a sanitizer or a fuzzer. */
#ifdef POSTERN_SANITIZE
#define ended_fatally(status) (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)
#else
#define ended_fatally(status) (WIFEXITED(status) && WEXITSTATUS(status) == 70)
#endif

#endif
