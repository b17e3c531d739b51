/* SPDX-License-Identifier: MIT */
/*
 * file_check.h - are the program and the weights there? For --check, and before
 * each start of a llama-server. Touches the file system.
 */
#ifndef AG_CONFIG_FILE_CHECK_H
#define AG_CONFIG_FILE_CHECK_H

/*
 * ag_why_no_program - why a program could not be executed.
 * @name  a path when it has a '/', else looked up in PATH as execvp(3) does
 * Returns words for people, or NULL when it could be. Static, or strerror()'s.
 */
const char *ag_why_no_program(const char *name);

/*
 * ag_why_no_weights - why a file cannot be a model's: missing, unreadable, no
 * file, empty. What is in it is llama-server's to judge. Returns as above.
 */
const char *ag_why_no_weights(const char *path);

#endif
