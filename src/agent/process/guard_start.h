/* SPDX-License-Identifier: MIT */
/* guard_start.h - fork and exec of the command that the guard watches. */
#ifndef AG_PROCESS_GUARD_START_H
#define AG_PROCESS_GUARD_START_H

#include <sys/types.h>

/*
 * guard_start - start the command in a process group of its own.
 * @argv       NULL at the end; [0] is looked up in the PATH of the caller
 * @env        its whole environment, NULL at the end
 * @report_fd  set to a non-blocking descriptor which tells how exec went: end of
 *             file when the command runs, else its errno as an int32_t. The
 *             caller closes it.
 * Returns the pid, or -1 with errno. The command gets SIGKILL from the kernel
 * when the calling process dies.
 */
pid_t guard_start(char *const argv[], char *const env[], int *report_fd);

#endif
