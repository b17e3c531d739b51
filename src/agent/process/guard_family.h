/* SPDX-License-Identifier: MIT */
/* guard_family.h - the guard's descendants, and their end. */
#ifndef AG_PROCESS_GUARD_FAMILY_H
#define AG_PROCESS_GUARD_FAMILY_H

/*
 * guard_family_kill - SIGKILL to every descendant of the calling process.
 * It must be a subreaper and single-threaded. One round: who was started
 * meanwhile is found by the next one; call it until no child is left.
 */
void guard_family_kill(void);

#endif
