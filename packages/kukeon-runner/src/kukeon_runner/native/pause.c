/* kukepause: the root process of a cell.
 *
 * It holds the cell's place until it is told to end: exit status 0 on SIGTERM or SIGINT.  As the init of a process
 * namespace that others may share, it reaps whoever is orphaned to it.  Otherwise it sleeps.
 */
#include "sys.h"

MAIN
{
	(void)argc;
	(void)argv;
	const kernel_sigset awaited = SIGNAL_BIT(TERM) | SIGNAL_BIT(INT) | SIGNAL_BIT(CHLD);
	/* A blocked signal stays pending for sigtimedwait, also for init, which the kernel shields from unhandled ones. */
	if (sys_block(awaited | SIGNAL_BIT(HUP)) < 0)
		sys_exit(1);
	for (;;) {
		long number = SYS(__NR_rt_sigtimedwait, &awaited, 0, 0, sizeof(awaited), 0);
		if (number == TERM || number == INT)
			sys_exit(0);
		/* Several children may have ended for one SIGCHLD; WNOHANG is 1. */
		while (SYS(__NR_wait4, -1, 0, 1, 0, 0) > 0)
			;
	}
}
