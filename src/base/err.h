/* SPDX-License-Identifier: MIT */
/*
 * err.h - one error value for the whole gateway.
 *
 * Rule: a fallible function takes `struct gw_err *err` as its LAST parameter,
 * returns 0 or -1 (or NULL), sets `err` exactly once where the cause is known
 * and leaves it alone on success. Callers may prefix a message, never replace
 * it. Errors are printed once: by the account stage for requests, by main for
 * start-up.
 */
#ifndef GW_BASE_ERR_H
#define GW_BASE_ERR_H

#include "base/cleanup.h"

enum gw_code {
	GW_OK = 0,
#define ERR(name, status, type, code, retry_s, text) GW_ERR_##name,
#include "base/errors.def"
#undef ERR
	GW_ERR__MAX
};

#define GW_ERR_MSG_BYTES 768
#define GW_ERR_PARAM_BYTES 96

/* Caller-owned, no allocation; all zero means "no error". */
struct gw_err {
	enum gw_code code;
	int sys;			/* errno of the cause, 0 = none */
	unsigned retry_after_s;		/* known better than the row does; 0 =
					 * the row's */
	char param[GW_ERR_PARAM_BYTES];	/* request field at fault, "" = none */
	char msg[GW_ERR_MSG_BYTES];	/* UTF-8, truncated to fit */
};

/* One row of errors.def. */
struct gw_err_info {
	int status;		/* HTTP status, 400 .. 599 */
	const char *type;	/* OpenAI error type */
	const char *code;	/* machine-readable code */
	unsigned retry_after_s;	/* Retry-After, 0 = none */
	const char *text;	/* general meaning */
};

/*
 * gw_err_info - the table row of a code.
 * @code  any value of enum gw_code; GW_OK and unknown values give INTERNAL
 * Returns a pointer to static storage, never NULL. Thread- and signal-safe.
 */
const struct gw_err_info *gw_err_info(enum gw_code code);

/*
 * gw_err_set - fill an error with a formatted message.
 * @err   not NULL; overwritten
 * @code  a row of errors.def
 * @sys   errno of the cause or 0; not appended to the message by itself
 * @fmt   printf format; a message that does not fit is cut at a UTF-8 boundary
 * Returns -1 always, so that `return gw_err_set(...)` reads well.
 */
int gw_err_set(struct gw_err *err, enum gw_code code, int sys, const char *fmt,
	       ...) GW_PRINTF(4, 5);

/*
 * gw_err_param - name the request field an error is about.
 * @err    not NULL, already set
 * @param  dotted path of the field, e.g. "served_models.3.roles"; cut to fit
 * Returns -1 always.
 */
int gw_err_param(struct gw_err *err, const char *param);

/*
 * gw_err_prefix - put context in front of a message ("loading x.yaml: ...").
 * @err  not NULL, already set
 * Returns -1 always.
 */
int gw_err_prefix(struct gw_err *err, const char *fmt, ...) GW_PRINTF(2, 3);

#endif
