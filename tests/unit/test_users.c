/* SPDX-License-Identifier: MIT */
/*
 * test_users.c - whom the web server let in: when that is believed, what a key
 * beside it does, and which web pages may make use of it.
 */
#include "config/clients.h"
#include "serve/reply.h"
#include "serve_run.h"
#include "stage/stage.h"

/* How the last request ended. */
static struct {
	int status;
	enum gw_code code;
	char name[GW_CLIENT_NAME_MAX + 1];
	char msg[GW_ERR_MSG_BYTES];
	uint64_t who[2];
} last;

static enum gw_step
serve(struct gw_request *r)
{
	if (gw_reply_head(r, 200, NULL, 0) == 0)
		gw_reply_end(r);
	return GW_FINISH;
}

static enum gw_step
look(struct gw_request *r)
{
	last.status = r->reply.status;
	last.code = r->err.code;
	memcpy(last.msg, r->err.msg, sizeof(last.msg));
	memcpy(last.name, r->authenticate.name, sizeof(last.name));
	memcpy(last.who, r->authenticate.who, sizeof(last.who));
	return GW_FINISH;
}

static const struct gw_stage stages[] = {
	{"accept", gw_stage_accept, GW_STAGE_ALWAYS},
	{"check_origin", gw_stage_check_origin, GW_STAGE_ALWAYS},
	{"authenticate", gw_stage_authenticate,
	 GW_EP_CLIENT_KEY | GW_EP_NODE_KEY},
	{"serve", serve, GW_STAGE_ALWAYS},
	{"look", look, GW_STAGE_ALWAYS},
};

static const struct gw_endpoint endpoints[] = {
	{.path = "/chat", .method = GW_METHOD_GET, .flags = GW_EP_CLIENT_KEY},
	{.path = "/node", .method = GW_METHOD_GET, .flags = GW_EP_NODE_KEY},
};

static const struct gw_pipeline pipeline = {
	.stages = stages,
	.n = GW_ARRAY_LEN(stages),
};

static bool trusting, any_user;

static struct gw_client *
add_client(struct gw_config *c, const char *name)
{
	struct gw_client *e = &c->auth.clients[c->auth.n_clients++];

	*e = (struct gw_client){.name = strdup(name), .all_models = true};
	return e;
}

static void
with_clients(struct gw_config *c)
{
	c->auth.trust_web_server_user = trusting;
	c->auth.clients = calloc(3, sizeof(*c->auth.clients));
	c->auth.nodes = calloc(1, sizeof(*c->auth.nodes));
	c->auth.n_nodes = 1;
	c->auth.nodes[0] = (struct gw_node_key){.name = strdup("box"),
						.key = strdup("node-key")};
	add_client(c, "robot")->key = strdup("robot-key");
	add_client(c, "front-desk")->user = strdup("alice");
	if (any_user)
		add_client(c, "all")->user = strdup("*");
}

/* A request with these parameters: NAME, VALUE, ..., NULL. */
static void
ask(const char *path, const char *const *params)
{
	memset(&last, 0, sizeof(last));
	client("GET", path);
	for (; params && params[0]; params += 2)
		param(params[0], params[1]);
}

#define LET_IN(user) "REMOTE_USER", user, "AUTH_TYPE", "Basic"
#define BASIC "HTTP_AUTHORIZATION", "Basic YWxpY2U6d29uZGVy"

/* What is not as it should be, for a user to be believed. */
enum {
	DISTRUSTS = 1, /* the configuration */
	ELSEWHERE = 2, /* the web server's host */
	NO_ANY = 4,    /* no entry stands for all others */
	NODE = 8       /* it is an endpoint for nodes */
};

static const struct row {
	const char *title;
	int status;
	const char *name; /* in the log */
	unsigned how;
	const char *params[9];
} rows[] = {
	{"let in -> the entry's name", 200, "front-desk", 0, {LET_IN("alice")}},
	{"let in, another one -> by his own name",
	 200,
	 "bob",
	 0,
	 {LET_IN("bob")}},
	{"let in, no entry for all", 401, "", NO_ANY, {LET_IN("bob")}},
	{"in other letters -> somebody else",
	 200,
	 "Alice",
	 0,
	 {LET_IN("Alice")}},
	{"the password is there as well",
	 200,
	 "front-desk",
	 0,
	 {LET_IN("alice"), BASIC}},
	{"not to be trusted", 401, "", DISTRUSTS, {LET_IN("alice"), BASIC}},
	{"of another host", 401, "", ELSEWHERE, {LET_IN("alice")}},
	{"no AUTH_TYPE", 401, "", 0, {"REMOTE_USER", "alice"}},
	{"an empty AUTH_TYPE",
	 401,
	 "",
	 0,
	 {"REMOTE_USER", "alice", "AUTH_TYPE", ""}},
	{"an AUTH_TYPE alone", 401, "", 0, {"AUTH_TYPE", "Basic"}},
	{"an empty user", 401, "", 0, {LET_IN("")}},
	{"a password that nobody looked at", 401, "", 0, {BASIC}},
	{"headers of such names",
	 401,
	 "",
	 0,
	 {"HTTP_REMOTE_USER", "alice", "HTTP_AUTH_TYPE", "Basic",
	  "HTTP_X_REMOTE_USER", "alice"}},
	{"headers of such names, beside the true ones",
	 200,
	 "bob",
	 0,
	 {LET_IN("bob"), "HTTP_REMOTE_USER", "alice"}},
	{"a key as well -> the key",
	 200,
	 "robot",
	 0,
	 {LET_IN("alice"), "HTTP_X_API_KEY", "robot-key"}},
	{"a bearer as well -> the key",
	 200,
	 "robot",
	 0,
	 {LET_IN("alice"), "HTTP_AUTHORIZATION", "Bearer robot-key"}},
	{"a wrong key as well",
	 401,
	 "",
	 0,
	 {LET_IN("alice"), "HTTP_X_API_KEY", "wrong"}},
	{"a wrong bearer as well",
	 401,
	 "",
	 0,
	 {LET_IN("alice"), "HTTP_AUTHORIZATION", "Bearer wrong"}},
	{"an empty key as well",
	 200,
	 "front-desk",
	 0,
	 {LET_IN("alice"), "HTTP_X_API_KEY", ""}},
	{"the password and a key",
	 200,
	 "robot",
	 0,
	 {LET_IN("alice"), BASIC, "HTTP_X_API_KEY", "robot-key"}},
	{"where nodes ask", 401, "", NODE, {LET_IN("alice")}},
	{"where nodes ask, and a node's key",
	 200,
	 "box",
	 NODE,
	 {LET_IN("alice"), "HTTP_X_ROLEMESH_NODE_KEY", "node-key"}},
	{"a stranger's page",
	 403,
	 "",
	 0,
	 {LET_IN("alice"), "HTTP_ORIGIN", "https://other.example"}},
	{"a page of another site",
	 403,
	 "",
	 0,
	 {LET_IN("alice"), "HTTP_SEC_FETCH_SITE", "cross-site"}},
	{"a page of this host",
	 200,
	 "front-desk",
	 0,
	 {LET_IN("alice"), "HTTP_ORIGIN", "http://localhost:3000"}},
	{"a stranger's page with a key",
	 200,
	 "robot",
	 0,
	 {LET_IN("alice"), "HTTP_X_API_KEY", "robot-key", "HTTP_ORIGIN",
	  "https://other.example"}},
	{"a stranger's page, nobody let in",
	 401,
	 "",
	 0,
	 {"HTTP_ORIGIN", "https://other.example"}},
};

static void
test_rows(void)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];

		trusting = !(row->how & DISTRUSTS);
		any_user = !(row->how & NO_ANY);
		configure = with_clients;
		set_up(&pipeline, endpoints, GW_ARRAY_LEN(endpoints), NULL);
		ask(row->how & NODE ? "/node" : "/chat", row->params);
		conn.elsewhere = row->how & ELSEWHERE;
		arrive();
		ok(last.status == row->status &&
			   strcmp(last.name, row->name) == 0,
		   "user: %s -> %d %s", row->title, row->status, row->name);
		if (last.status != row->status || strcmp(last.name, row->name))
			printf("# got %d %s\n", last.status, last.name);
	}
}

/* Each of the many behind one entry is somebody of his own. */
static void
test_identities(void)
{
	static const char *const alice[] = {LET_IN("alice"), NULL};
	static const char *const bob[] = {LET_IN("bob"), NULL};
	static const char *const eve[] = {LET_IN("eve"), NULL};
	uint64_t want[2];

	trusting = any_user = true;
	configure = with_clients;
	set_up(&pipeline, endpoints, GW_ARRAY_LEN(endpoints), NULL);
	ask("/chat", alice);
	arrive();
	ok(memcmp(last.who, config->auth.clients[1].id, sizeof(want)) == 0,
	   "user: is who the entry says");
	ask("/chat", bob);
	arrive();
	gw_identity("user", "bob", want);
	ok(memcmp(last.who, want, sizeof(want)) == 0,
	   "user: one of many is himself");
	ask("/chat", eve);
	arrive();
	ok(memcmp(last.who, want, sizeof(want)) != 0, "user: and nobody else");
}

static void
test_words(void)
{
	static const char *const bob[] = {LET_IN("bob"), BASIC, NULL};
	static const char *const page[] = {LET_IN("bob"), "HTTP_ORIGIN",
					   "https://other.example", NULL};

	any_user = false;
	set_up(&pipeline, endpoints, GW_ARRAY_LEN(endpoints), NULL);
	ask("/chat", bob);
	arrive();
	ok(strstr(last.msg, "the user is none of those configured; ") ==
		   last.msg,
	   "user: an unknown one is told so");
	ask("/chat", page);
	arrive();
	is_str(last.msg,
	       "web pages of other origins are not served where the web "
	       "server lets its users in; send keys or list the origin in "
	       "origins",
	       "user: and a page what it can do");
}

int
main(void)
{
	test_rows();
	test_identities();
	test_words();
	tear_down();
	return done_testing();
}
