/* SPDX-License-Identifier: MIT */
/*
 * reg_cases.h - operations to be interrupted: each with what comes before it,
 * and with what another process may see at any moment of it.
 *
 * test_reg_crash kills a process at every step of each, test_reg_race stops it.
 */
#ifndef TESTS_UNIT_REG_CASES_H
#define TESTS_UNIT_REG_CASES_H

#include "internal.h"

enum state {
	BROKEN = -1,
	BEFORE,
	AFTER,
	BETWEEN
};

struct scenario {
	const char *title;		/* NULL = end of the table */
	void (*prepare)(struct reg *r); /* by the one who stays */
	void (*setup)(struct reg *w);	/* by the interrupted one, in peace */
	bool (*run)(struct reg *w);	/* true = came out as it should */
	enum state (*look)(const struct reg *r); /* without a lock */
	bool moves_epoch;			 /* whenever it is not BEFORE */
	bool opens; /* run() opens; its handle is NULL */
};

extern const struct scenario node_scenarios[];
extern const struct scenario shared_scenarios[];

/* What the interrupter tells the cases. */
extern const char *case_segment;     /* name of the segment in use */
extern long case_countdown;	     /* crash points to go, 0 = none at all */
extern int case_signal;		     /* what the process sends itself then */
extern long case_stop;		     /* crash and stop points to go, 0 = none */
extern void (*case_meanwhile)(void); /* runs in the same process then */

/* ---- bits the interrupters need themselves ---- */

/* Registers a node with a checked payload of so many bytes. */
bool case_put(struct reg *r, const char *id, size_t len, uint64_t now_ms);

/* A probe target, and 64 others that fill its window. */
extern const uint64_t case_home[2];
void case_fill_window(struct reg *r);

/* Leases and a gauge that count for a process. */
void case_take_leases(struct reg *w);

#endif
