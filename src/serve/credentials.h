/* SPDX-License-Identifier: MIT */
/*
 * credentials.h - what a request carries to say who sends it: keys in headers
 * of the client's, and the user that the web server let in.
 *
 * Judges nothing: whose a key is, the configuration knows. Called while the
 * request has its connection; what is returned is valid as long as that.
 */
#ifndef GW_SERVE_CREDENTIALS_H
#define GW_SERVE_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

struct gw_request;

#define GW_KEYS_SENT_MAX 2

/*
 * gw_keys_sent - the keys that a request carries, in the order in which they
 * count: the Bearer of Authorization, then that of X-Api-Key, or of
 * X-RoleMesh-Node-Key where nodes ask. Another scheme than Bearer is no key,
 * nor is an empty one. Returns how many, up to GW_KEYS_SENT_MAX.
 */
size_t gw_keys_sent(const struct gw_request *r,
		    const char *keys[GW_KEYS_SENT_MAX]);

/*
 * gw_password_sent - the password of HTTP Basic, whatever the user's name, where
 * a request carries no key (gw_keys_sent() is 0). A browser that has asked its
 * user for it sends it by itself with whatever any page asks of this gateway.
 * @out, @cap  gets it, with a zero byte; one of @cap bytes or more is none, nor
 *             is an empty one or one with a zero byte in it
 * True: there is one. The caller wipes @out, also where there is none.
 */
GW_MUSTCHECK bool gw_password_sent(const struct gw_request *r, char *out,
				   size_t cap);

/*
 * gw_user_let_in - the user whom the web server let in, or NULL: none, or what
 * it says is not believed (auth.trust_web_server_user is off, or it runs on
 * another host), or nodes ask. It says so in two parameters of its own,
 * REMOTE_USER and AUTH_TYPE, both not empty; what a client sends comes in
 * others, whose names begin with HTTP_.
 */
const char *gw_user_let_in(const struct gw_request *r);

#endif
