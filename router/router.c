/* SPDX-License-Identifier: ISC */
/* router: decides on each recipient, by rules and aliases, and seals what it decided. */
#include "router/handlers.h"

int
main(int argc, char **argv)
{
	return process_run(&router_process, argc, argv);
}
