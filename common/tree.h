/* SPDX-License-Identifier: ISC */
/*
 * Red-black trees of <sys/tree.h>, for files that keep one to themselves: libbsd's RB_PROTOTYPE_STATIC does not compile
 * on Linux, where __unused is missing. TREE_STATIC(name, type, field, compare) declares and defines all of it.
 */
#ifndef COMMON_TREE_H
#define COMMON_TREE_H

#include <sys/tree.h>

#define TREE_STATIC(name, type, field, compare)                                           \
	RB_PROTOTYPE_INTERNAL(name, type, field, compare, static __attribute__((unused))) \
	RB_GENERATE_INTERNAL(name, type, field, compare, static __attribute__((unused)))  \
	_Static_assert(1, "takes the semicolon")

#endif
