/* SPDX-License-Identifier: ISC */
/* The programs sendmail and newaliases, as other programs of Unix expect them: options, exit codes of sysexits(3). */
#ifndef CTL_SENDMAIL_H
#define CTL_SENDMAIL_H

/* Both return the exit code. */
int sendmail(int argc, char **argv);
int sendmail_newaliases(void);

#endif
