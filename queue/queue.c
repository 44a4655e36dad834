/* SPDX-License-Identifier: ISC */
#include "queue/check.h"
#include "queue/service.h"

int
main(int argc, char **argv)
{
	int status;

	if (check_is_asked(argc, argv))
		return check_run(argc, argv);
	status = process_run(&service, argc, argv);
	service_close();
	return status;
}
