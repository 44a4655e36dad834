/* SPDX-License-Identifier: ISC */
/* The version of Postern: the newest heading of CHANGELOG. */
#ifndef COMMON_VERSION_H
#define COMMON_VERSION_H

#define POSTERN_VERSION "0.1"

#endif
