/* SPDX-License-Identifier: MIT */
/* guard_env.h - the environment of the command, which is not the guard's. */
#ifndef AG_PROCESS_GUARD_ENV_H
#define AG_PROCESS_GUARD_ENV_H

/*
 * guard_env_read - the environment that the agent wrote for the command.
 * @fd  a regular file of NAME=value entries, a '\0' behind each; may be empty.
 *      Left open, its position does not count
 * Returns a list with NULL at its end that lives as long as the process, or
 * NULL with errno: no memory, or no such file.
 */
char **guard_env_read(int fd);

#endif
