/* SPDX-License-Identifier: MIT */
/* err.c - error values and the table behind them. */
#include "base/err.h"

#include <stdarg.h>
#include <string.h>

#include "base/utf8.h"

static const struct gw_err_info infos[GW_ERR__MAX] = {
#define ERR(name, status, type, code, retry_s, text)                           \
	[GW_ERR_##name] = {status, type, code, retry_s, text},
#include "base/errors.def"
#undef ERR
};

const struct gw_err_info *
gw_err_info(enum gw_code code)
{
	if ((int)code <= GW_OK || code >= GW_ERR__MAX)
		code = GW_ERR_INTERNAL;
	return &infos[code];
}

int
gw_err_set(struct gw_err *err, enum gw_code code, int sys, const char *fmt, ...)
{
	va_list ap;
	int n;

	err->code = code;
	err->sys = sys;
	err->retry_after_s = 0;
	err->param[0] = '\0';
	va_start(ap, fmt);
	n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(err->msg))
		gw_utf8_trim(err->msg, sizeof(err->msg) - 1);
	return -1;
}

int
gw_err_param(struct gw_err *err, const char *param)
{
	size_t n = strnlen(param, sizeof(err->param) - 1);

	memcpy(err->param, param, n);
	err->param[n] = '\0';
	if (n == sizeof(err->param) - 1)
		gw_utf8_trim(err->param, n);
	return -1;
}

int
gw_err_prefix(struct gw_err *err, const char *fmt, ...)
{
	char head[GW_ERR_MSG_BYTES], all[2 * GW_ERR_MSG_BYTES];
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	if (vsnprintf(head, sizeof(head), fmt, ap) < 0)
		head[0] = '\0';
	va_end(ap);
	snprintf(all, sizeof(all), "%s%s", head, err->msg);
	n = strnlen(all, sizeof(err->msg) - 1);
	memcpy(err->msg, all, n);
	err->msg[n] = '\0';
	if (n == sizeof(err->msg) - 1)
		gw_utf8_trim(err->msg, n);
	return -1;
}
