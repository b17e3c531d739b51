/* SPDX-License-Identifier: MIT */
/*
 * accept.c - who asks for what: request id, method, path, endpoint, CORS.
 * Reads parameters only; touches neither body nor keys.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/line.h"
#include "fcgi/fcgi_conn.h"
#include "serve/reply.h"
#include "serve/worker.h"
#include "stage/stage.h"

static const struct {
	const char *name;
	enum gw_method method;
} methods[] = {
	{"GET", GW_METHOD_GET},
	{"HEAD", GW_METHOD_HEAD},
	{"POST", GW_METHOD_POST},
	{"OPTIONS", GW_METHOD_OPTIONS},
};

static bool
is_sane_id(const char *id)
{
	size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
			      "UVWXYZ0123456789._:-");

	return n > 0 && n <= GW_REQUEST_ID_MAX && id[n] == '\0';
}

static void
make_id(struct gw_request *r)
{
	struct gw_line l = {.text = r->accept.id, .cap = GW_REQUEST_ID_MAX};

	gw_line_puts(&l, "req_");
	gw_line_hex(&l, gw_worker_random(r->worker));
	gw_line_hex(&l, gw_worker_random(r->worker));
	r->accept.id[l.len] = '\0';
}

static void
choose_id(struct gw_request *r)
{
	const char *given = gw_fcgi_param(r->conn, "HTTP_X_REQUEST_ID");

	if (given && is_sane_id(given))
		snprintf(r->accept.id, sizeof(r->accept.id), "%s", given);
	else
		make_id(r);
}

static void
read_client(struct gw_request *r)
{
	const char *address = gw_fcgi_param(r->conn, "REMOTE_ADDR");

	gw_copy_text(r->accept.client, sizeof(r->accept.client),
		     address ? address : "");
}

static void
read_method(struct gw_request *r)
{
	const char *name = gw_fcgi_param(r->conn, "REQUEST_METHOD");

	r->accept.method = GW_METHOD_OTHER;
	gw_copy_text(r->accept.method_name, sizeof(r->accept.method_name),
		     name ? name : "-");
	for (size_t i = 0; i < GW_ARRAY_LEN(methods); i++)
		if (name && strcmp(name, methods[i].name) == 0)
			r->accept.method = methods[i].method;
	r->accept.head_only = r->accept.method == GW_METHOD_HEAD;
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * REQUEST_URI is the only form that every web server passes on raw (SCRIPT_NAME
 * and PATH_INFO are split, decoded or empty, depending on the server).
 */
static int
read_path(struct gw_request *r)
{
	const char *p = gw_fcgi_param(r->conn, "REQUEST_URI");
	size_t n = 0, room;

	p = p ? p : "";
	if (strncasecmp(p, "http://", 7) == 0) { /* absolute form */
		p = strchr(p + 7, '/');
		p = p ? p : "/";
	}
	room = strcspn(p, "?#") + 1;
	room = room < GW_PATH_MAX ? room : GW_PATH_MAX;
	r->accept.path = malloc(room);
	if (!r->accept.path)
		return gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM,
				  "no memory for the path");
	while (*p && *p != '?' && *p != '#') {
		int hi = -1, lo = -1;
		char c = *p++;

		if (c == '%') {
			hi = hex(p[0]);
			lo = hi < 0 ? -1 : hex(p[1]);
			if (lo < 0 || (hi == 0 && lo == 0))
				return gw_err_set(&r->err,
						  GW_ERR_INVALID_REQUEST, 0,
						  "the path holds a broken "
						  "percent escape");
			c = (char)(hi << 4 | lo);
			p += 2;
		}
		if (n + 1 >= room)
			return gw_err_set(&r->err, GW_ERR_REQUEST_TOO_LARGE, 0,
					  "the path is longer than %d bytes",
					  GW_PATH_MAX - 1);
		r->accept.path[n++] = c;
	}
	r->accept.path[n] = '\0';
	r->accept.path_len = n;
	return 0;
}

static void
check_origin(struct gw_request *r)
{
	const struct gw_keys *allowed = &r->config->gateway.cors_origins;
	const char *origin = gw_fcgi_param(r->conn, "HTTP_ORIGIN");

	for (size_t i = 0; origin && i < allowed->n; i++)
		if (strcmp(allowed->key[i], "*") == 0 ||
		    strcmp(allowed->key[i], origin) == 0)
			r->accept.cors_origin = allowed->key[i];
}

static bool
is_preflight(const struct gw_request *r)
{
	return r->accept.method == GW_METHOD_OPTIONS && r->accept.cors_origin &&
	       gw_fcgi_param(r->conn, "HTTP_ACCESS_CONTROL_REQUEST_METHOD");
}

/* Some web servers keep the Upgrade header to themselves. */
static bool
is_websocket(const struct gw_request *r)
{
	const char *upgrade = gw_fcgi_param(r->conn, "HTTP_UPGRADE");

	return (upgrade && strcasestr(upgrade, "websocket")) ||
	       gw_fcgi_param(r->conn, "HTTP_SEC_WEBSOCKET_KEY") ||
	       gw_fcgi_param(r->conn, "HTTP_SEC_WEBSOCKET_VERSION");
}

/* Is what is found there an operator's, whatever the method? No page of another
 * origin has any use for its answers. */
static bool
is_operators(const struct gw_request *r)
{
	static const enum gw_method served[] = {GW_METHOD_GET, GW_METHOD_POST};
	char allow[sizeof(r->accept.allow)];

	for (size_t i = 0; i < GW_ARRAY_LEN(served); i++) {
		const struct gw_endpoint *e = gw_endpoint_find(
			r->worker->endpoints, r->worker->n_endpoints,
			r->accept.path, served[i], allow, sizeof(allow));

		if (e && e->flags & GW_EP_OPERATOR)
			return true;
	}
	return false;
}

static enum gw_step
no_endpoint(struct gw_request *r)
{
	char path[256];

	gw_log_quote(path, sizeof(path), r->accept.path, r->accept.path_len);
	if (!r->accept.allow[0]) {
		gw_err_set(&r->err, GW_ERR_NOT_FOUND, 0,
			   "there is no endpoint at %s", path);
		return GW_FINISH;
	}
	if (is_operators(r))
		r->accept.cors_origin = NULL;
	else if (is_preflight(r)) {
		if (gw_reply_head(r, 204, NULL, -1) == 0)
			gw_reply_end(r);
		return GW_FINISH;
	}
	if (r->accept.method == GW_METHOD_GET && is_websocket(r)) {
		gw_err_set(&r->err, GW_ERR_UPGRADE_REQUIRED, 0,
			   "%s speaks no WebSocket; send a POST over HTTP, and "
			   "\"stream\": true for events",
			   path);
		return GW_FINISH;
	}
	if (r->accept.method == GW_METHOD_OPTIONS && !is_operators(r) &&
	    r->worker->keys.cors_origins)
		gw_err_set(&r->err, GW_ERR_METHOD_NOT_ALLOWED, 0,
			   "%s answers OPTIONS only to a preflight from one of "
			   "%s",
			   path, r->worker->keys.cors_origins);
	else
		gw_err_set(&r->err, GW_ERR_METHOD_NOT_ALLOWED, 0,
			   "%s does not allow this method; it allows %s", path,
			   r->accept.allow);
	return GW_FINISH;
}

enum gw_step
gw_stage_accept(struct gw_request *r)
{
	r->phase = GW_PHASE_ACCEPT;
	choose_id(r);
	read_client(r);
	read_method(r);
	r->accept.admission = gw_fcgi_asks_admission(r->conn);
	check_origin(r);
	if (!gw_fcgi_params_clean(r->conn)) {
		gw_err_set(&r->err, GW_ERR_INVALID_REQUEST, 0,
			   "a header of the request holds a control byte");
		return GW_FINISH;
	}
	if (read_path(r) < 0)
		return GW_FINISH;
	r->accept.endpoint = gw_endpoint_find(
		r->worker->endpoints, r->worker->n_endpoints, r->accept.path,
		r->accept.method, r->accept.allow, sizeof(r->accept.allow));
	if (!r->accept.endpoint)
		return no_endpoint(r);
	if (r->accept.endpoint->flags & GW_EP_OPERATOR)
		r->accept.cors_origin = NULL;
	/* Before any key is asked for: our own request may well lack one. */
	return gw_via_read(gw_fcgi_param(r->conn, "HTTP_X_ROLEMESH_VIA"),
			   r->worker->via, r->accept.via, &r->err) < 0
		       ? GW_FINISH
		       : GW_NEXT;
}
