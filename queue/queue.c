/* SPDX-License-Identifier: ISC */
#include "queue/offline.h"
#include "queue/service.h"

int
main(int argc, char **argv)
{
	int status;

	if (offline_is_asked(argc, argv))
		return offline_run(argc, argv);
	status = process_run(&service, argc, argv);
	service_close();
	return status;
}
