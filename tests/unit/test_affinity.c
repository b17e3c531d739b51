/* SPDX-License-Identifier: MIT */
/*
 * test_affinity.c - where conversations go: back to the candidate that knows
 * them, to another one when that has too much to do, and evenly to all while
 * nobody knows them. Simulated: many conversations of several turns.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"
#include "fcgi/fcgi_conn.h"
#include "routing/choice.h"
#include "routing/routing.h"
#include "stage/affinity.h"
#include "stage/policy.h"
#include "tap.h"

#define NODES 8
#define SLOTS 8 /* of a node */
#define CONVERSATIONS 400
#define TURNS 6
#define SYSTEM_BYTES 8192
#define BODY_MAX (64u << 10)

/* ---- what is around ------------------------------------------------------ */

static const char *session, *session_param; /* a header of the client's */

const char *
gw_fcgi_param(const struct gw_fcgi_conn *c, const char *name)
{
	(void)c;
	return session && strcmp(name, session_param) == 0 ? session : NULL;
}

static uint64_t random_state;

static uint64_t
next_random(void)
{
	random_state += UINT64_C(0x9e3779b97f4a7c15);
	return gw_hash(&random_state, sizeof(random_state)) >> 8;
}

uint64_t
gw_worker_random(struct gw_worker *w)
{
	(void)w;
	return next_random();
}

static struct gw_worker worker;
static struct gw_routing routing = {.worker = &worker};
static struct gw_body_room room = {.max = SIZE_MAX, .key = "room"};
static struct gw_config config = {.refs = 1, .uses_affinity = true};
static struct gw_model model = {.alias = (char *)"coder",
				.role = (char *)"coder",
				.strategy = GW_AFFINITY};
static struct gw_request request = {
	.worker = &worker, .config = &config, .resolve.model = &model};

static struct reg *
attach(void)
{
	char name[64];
	struct reg_err err = {0};
	struct reg *reg;

	snprintf(name, sizeof(name), "/rolemesh-test-aff-%d", (int)getpid());
	reg = reg_open(name, 0, &err);
	if (!reg) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
	reg_unlink(name);
	return reg;
}

/* Everybody forgets everything. */
static void
begin(void)
{
	if (routing.reg)
		reg_close(routing.reg);
	routing.reg = attach();
	gw_policy_affinity.release(&routing);
	gw_policy_least_busy.release(&routing);
	session = NULL;
	model.alias = (char *)"coder";
	random_state = 1;
}

/* ---- requests ------------------------------------------------------------ */

static void
receive(const char *text)
{
	struct gw_err err = {0};

	gw_body_free(request.receive.body);
	request.receive.body = gw_body_new(BODY_MAX, &room, NULL);
	if (!request.receive.body ||
	    gw_body_watch_prompt(request.receive.body) < 0 ||
	    gw_body_append(request.receive.body, text, strlen(text), &err) <
		    0 ||
	    gw_body_finish(request.receive.body, &err) < 0) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
	/* Long gone when an answer comes. */
	gw_body_discard(request.receive.body);
}

static void
say(struct gw_buf *b, const char *role, unsigned conversation, unsigned turn)
{
	char text[200];

	snprintf(text, sizeof(text),
		 ",{\"role\":\"%s\",\"content\":\"%s %u of conversation %u\"}",
		 role, role, turn, conversation);
	if (gw_buf_puts(b, text) < 0)
		abort();
}

/* All that was said before, and one question more. */
static void
ask(unsigned conversation, unsigned turn)
{
	struct gw_buf b = GW_BUF_INIT(BODY_MAX);
	static char system[SYSTEM_BYTES + 1];

	memset(system, 's', SYSTEM_BYTES);
	if (gw_buf_puts(&b, "{\"messages\":[{\"role\":\"system\",\"content\":"
			    "\"") < 0 ||
	    gw_buf_puts(&b, system) < 0 || gw_buf_puts(&b, "\"}") < 0)
		abort();
	for (unsigned i = 0; i < turn; i++) {
		say(&b, "user", conversation, i);
		say(&b, "assistant", conversation, i);
	}
	say(&b, "user", conversation, turn);
	if (gw_buf_append(&b, "]}", 3) < 0)
		abort();
	receive(b.data);
	gw_buf_release(&b);
}

static struct gw_choice *
nodes(size_t k)
{
	static struct gw_choice c[NODES];

	for (size_t i = 0; i < k; i++)
		c[i] = (struct gw_choice){
			.key = gw_hash_more(gw_hash_text("http://node"), &i,
					    sizeof(i)),
			.state = GW_STATE_READY,
			.weight = 1,
			.parallel = SLOTS,
		};
	return c;
}

static size_t
choose(const struct gw_choice *c, size_t k)
{
	return gw_policy_affinity.choose(&request, c, k);
}

/* It goes where the policy says, and is answered there. */
static uint64_t
go(const struct gw_choice *c, size_t k)
{
	uint64_t key = c[choose(c, k)].key;

	gw_affinity_record(&request, key);
	return key;
}

/* ---- whose bodies are hashed -----------------------------------------------
 */

static void
watches(void)
{
	static const struct gw_endpoint chat = {.flags = GW_EP_STREAMED},
					embeddings = {.flags = GW_EP_RELAYED};

	request.accept.endpoint = &chat;
	ok(gw_affinity_watches(&request), "hashed: a prompt");
	request.accept.endpoint = &embeddings;
	ok(!gw_affinity_watches(&request), "hashed: nothing without a prompt");
	request.accept.endpoint = &chat;
	config.uses_affinity = false;
	ok(!gw_affinity_watches(&request),
	   "hashed: nothing where no alias has the strategy");
	config.uses_affinity = true;
	request.config = NULL;
	ok(!gw_affinity_watches(&request), "hashed: nothing without aliases");
	request.config = &config;
}

/* ---- one conversation ---------------------------------------------------- */

static void
comes_back(void)
{
	struct gw_choice *c = nodes(NODES);
	uint64_t home;
	bool same = true;

	begin();
	ask(1, 0);
	home = go(c, NODES);
	for (unsigned turn = 1; turn < TURNS; turn++) {
		/* Everybody else is idle, and would be taken. */
		for (size_t i = 0; i < NODES; i++)
			c[i].in_flight = c[i].key == home;
		ask(1, turn);
		same &= go(c, NODES) == home;
	}
	ok(same, "affinity: a conversation comes back, turn by turn");
	ask(1, 2);
	ok(go(c, NODES) == home, "affinity: and when it goes on from earlier");
}

/* A client that marks its last message, and only that: no whole prompt is the
 * beginning of a later one. */
static void
marked_message(void)
{
	struct gw_choice *c = nodes(NODES);
	uint64_t home;

	begin();
	receive("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
		"{\"role\":\"assistant\",\"content\":\"b\"},"
		"{\"role\":\"user\",\"content\":\"c\",\"cache\":1}]}");
	home = go(c, NODES);
	for (size_t i = 0; i < NODES; i++)
		c[i].in_flight = c[i].key == home;
	receive("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
		"{\"role\":\"assistant\",\"content\":\"b\"},"
		"{\"role\":\"user\",\"content\":\"c\"},"
		"{\"role\":\"assistant\",\"content\":\"d\"},"
		"{\"role\":\"user\",\"content\":\"e\",\"cache\":1}]}");
	ok(go(c, NODES) == home,
	   "affinity: the last message changed afterwards -> it comes back");
}

static void
sessions(void)
{
	struct gw_choice *c = nodes(NODES);
	uint64_t home, other;

	begin();
	session_param = "HTTP_X_SESSION_ID";
	session = "s1";
	request.conn = (struct gw_fcgi_conn *)&request;
	ask(1, 0);
	home = go(c, NODES);
	for (size_t i = 0; i < NODES; i++)
		c[i].in_flight = c[i].key == home;
	ask(2, 0);
	ok(go(c, NODES) == home, "session: another prompt -> the same node");
	session = "s2";
	ask(1, 0);
	ok(go(c, NODES) != home,
	   "session: another one, the same prompt -> not");
	session = "";
	ask(1, 0);
	other = go(c, NODES);
	for (size_t i = 0; i < NODES; i++)
		c[i].in_flight += c[i].key == other;
	ask(3, 0);
	ok(other != home && go(c, NODES) != other,
	   "session: an empty header is none");
	session_param = "HTTP_X_CHAT_2_";
	session = "s1";
	ok(go(c, NODES) != home, "session: another header is none");
	model.affinity_header = (char *)"x-Chat-2.";
	ok(go(c, NODES) == home, "session: unless it is the configured one");
	receive("{\"model\":\"coder\"}");
	ok(go(c, NODES) == home, "session: without a prompt, too");
	model.alias = (char *)"writer";
	ok(go(c, NODES) != home, "session: another alias's conversation");
	model.affinity_header = NULL;
	session = NULL;
	request.conn = NULL;
}

static void
aliases_are_apart(void)
{
	struct gw_choice *c = nodes(NODES);
	uint64_t home;

	begin();
	ask(1, 0);
	home = go(c, NODES);
	for (size_t i = 0; i < NODES; i++)
		c[i].in_flight = c[i].key == home;
	model.alias = (char *)"writer";
	ask(1, 0);
	ok(go(c, NODES) != home,
	   "affinity: another alias's conversations are not these");
}

/* Nothing to know it by: as if least_busy were configured. */
static void
unknown(void)
{
	struct gw_choice *c = nodes(3);
	char got[7] = "";

	begin();
	receive("{\"messages\":[{\"role\":\"system\",\"content\":\"s\"}]}");
	for (int i = 0; i < 6; i++)
		got[i] = (char)('a' + choose(c, 3));
	is_str(got, "abcabc", "affinity: no user's message -> in turn");
}

static void
others_strategy(void)
{
	struct gw_choice *c = nodes(2);
	uint64_t keys[GW_AFFINITY_KEYS_MAX];
	size_t at, n;

	begin();
	ask(1, 0);
	model.strategy = GW_LEAST_BUSY;
	gw_affinity_record(&request, c[0].key);
	model.strategy = GW_AFFINITY;
	n = gw_affinity_keys(&request, keys);
	ok(n == 1 && reg_prefix_find(routing.reg, keys, n, &at) == 0,
	   "affinity: other strategies record nothing");
}

/* ---- too much to do ------------------------------------------------------ */

#define R GW_STATE_READY
#define COLD GW_STATE_COLD

static void
stays_or_leaves(void)
{
	/* The conversation is known by the first one. */
	static const struct {
		struct {
			enum gw_state state;
			uint32_t in_flight, parallel, step;
		} c[4];
		size_t k;
		bool stays;
		const char *title;
	} rows[] = {
		{{{R, 3, 4, 0}, {R, 0, 4, 0}}, 2, true, "a free slot"},
		{{{R, 5, 4, 2}, {R, 2, 4, 0}},
		 2,
		 true,
		 "no free slot, and 5 is ceil(1.25 * 8 / 2)"},
		{{{R, 6, 4, 2}, {R, 2, 4, 0}},
		 2,
		 true,
		 "no free slot, and 6 is ceil(1.25 * 9 / 2)"},
		{{{R, 7, 4, 2}, {R, 2, 4, 0}},
		 2,
		 true,
		 "no free slot, and 7 is ceil(1.25 * 10 / 2)"},
		{{{R, 7, 4, 2}, {R, 1, 4, 0}},
		 2,
		 false,
		 "no free slot, and 7 is above ceil(1.25 * 9 / 2)"},
		{{{R, 60, 0, 0}, {R, 0, 4, 0}},
		 2,
		 true,
		 "nobody knows how many it computes at once"},
		{{{COLD, 0, 4, 1}, {R, 0, 4, 0}}, 2, false, "not loaded"},
		{{{COLD, 0, 4, 1}, {COLD, 0, 4, 3}},
		 2,
		 true,
		 "not loaded, and the best of those"},
		{{{R, 1, 1, 2}, {R, 0, 1, 0}, {R, 0, 1, 0}, {R, 0, 1, 0}},
		 4,
		 true,
		 "1 of 1, and ceil(1.25 * 2 / 4) is 1"},
		{{{R, 2, 1, 2}, {R, 0, 1, 0}, {R, 0, 1, 0}, {R, 0, 1, 0}},
		 4,
		 false,
		 "2 of 2, and ceil(1.25 * 3 / 4) is 1"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gw_choice *c = nodes(rows[i].k);

		begin();
		ask(7, 0);
		gw_affinity_record(&request, c[0].key);
		for (size_t j = 0; j < rows[i].k; j++) {
			c[j].state = rows[i].c[j].state;
			c[j].in_flight = rows[i].c[j].in_flight;
			c[j].parallel = rows[i].c[j].parallel;
			c[j].step = rows[i].c[j].step;
		}
		ask(7, 1);
		ok((choose(c, rows[i].k) == 0) == rows[i].stays,
		   "busy: %s -> it %s", rows[i].title,
		   rows[i].stays ? "stays" : "leaves");
	}
}

static void
bounded(void)
{
	struct gw_choice *c = nodes(2);

	begin();
	ask(7, 0);
	gw_affinity_record(&request, c[0].key);
	for (size_t j = 0; j < 2; j++) {
		c[j].parallel = 0;
		c[j].max_concurrency = 8;
	}
	c[0].in_flight = 7;
	ask(7, 1);
	ok(choose(c, 2) == 0, "busy: 7 of max_concurrency 8 -> it stays");
	c[0].in_flight = 8;
	c[0].step = 3;
	ask(7, 1);
	ok(choose(c, 2) == 1, "busy: 8 of max_concurrency 8 -> it leaves");
}

static void
moved_for_good(void)
{
	struct gw_choice *c = nodes(2);
	uint64_t home, other;

	begin();
	ask(1, 0);
	home = go(c, 2);
	for (size_t i = 0; i < 2; i++) {
		c[i].in_flight = c[i].key == home ? 9 : 0;
		c[i].step = c[i].key == home ? 2 : 0;
	}
	ask(1, 1);
	other = go(c, 2);
	ok(other != home, "busy: it goes to another node");
	for (size_t i = 0; i < 2; i++) {
		c[i].in_flight = c[i].key == home ? 0 : 1;
		c[i].step = 0;
	}
	ask(1, 2);
	ok(go(c, 2) == other, "busy: ... and comes back to that one");
	ask(1, 0);
	ok(go(c, 2) == other, "busy: ... with all of its beginnings");
}

/* ---- many conversations -------------------------------------------------- */

struct conversation {
	unsigned turn;
	uint64_t home; /* of its last turn; 0: it had none */
	bool running;
};

struct world {
	struct conversation all[CONVERSATIONS];
	size_t running[CONVERSATIONS], n_running;
	struct gw_choice *c;
	size_t k;
	unsigned later, at_home; /* turns */
	unsigned turns[NODES];
};

static size_t
place_of(const struct world *w, uint64_t key)
{
	for (size_t i = 0; i < w->k; i++)
		if (w->c[i].key == key)
			return i;
	return w->k;
}

static void
set_steps(struct world *w)
{
	for (size_t i = 0; i < w->k; i++)
		w->c[i].step = w->c[i].in_flight < w->c[i].parallel ? 0 : 2;
}

static void
turn_begins(struct world *w, size_t n)
{
	struct conversation *v = &w->all[n];
	size_t i;

	set_steps(w);
	ask((unsigned)n, v->turn);
	i = choose(w->c, w->k);
	if (v->home) {
		w->later++;
		w->at_home += w->c[i].key == v->home;
	}
	v->home = w->c[i].key;
	gw_affinity_record(&request, v->home);
	w->c[i].in_flight++;
	w->turns[i]++;
	v->turn++;
	v->running = true;
	w->running[w->n_running++] = n;
}

static void
turn_ends(struct world *w)
{
	size_t at = (size_t)(next_random() % w->n_running);
	struct conversation *v = &w->all[w->running[at]];

	w->running[at] = w->running[--w->n_running];
	w->c[place_of(w, v->home)].in_flight--;
	v->running = false;
}

/* Every conversation to the end of turn @turns; @at_once requests at a time. */
static void
simulate(struct world *w, unsigned turns, size_t at_once)
{
	size_t left = 0, n;

	for (size_t i = 0; i < CONVERSATIONS; i++)
		left += turns - w->all[i].turn;
	while (left > 0) {
		while (w->n_running >= at_once)
			turn_ends(w);
		n = (size_t)(next_random() % CONVERSATIONS);
		while (w->all[n].running || w->all[n].turn == turns) {
			n = (n + 1) % CONVERSATIONS;
			if (w->n_running && w->all[n].running)
				turn_ends(w);
		}
		turn_begins(w, n);
		left--;
	}
	while (w->n_running)
		turn_ends(w);
}

static void
many(size_t at_once, unsigned percent)
{
	static struct world w;
	unsigned most = 0, all = CONVERSATIONS * TURNS;

	begin();
	memset(&w, 0, sizeof(w));
	w.c = nodes(NODES);
	w.k = NODES;
	simulate(&w, TURNS, at_once);
	for (size_t i = 0; i < NODES; i++)
		most = w.turns[i] > most ? w.turns[i] : most;
	printf("# %zu at once: %u of %u later turns at home, most %u of %u\n",
	       at_once, w.at_home, w.later, most, all / NODES);
	ok(w.at_home * 100 >= w.later * percent,
	   "many: %zu at once -> %u %% of later turns find their node", at_once,
	   percent);
	ok(most * NODES * 10 <= all * 13,
	   "many: %zu at once -> no node has 1.3 times its share", at_once);
}

static void
one_leaves(void)
{
	static struct world w;
	uint64_t gone, before[CONVERSATIONS];
	unsigned moved = 0, stayed = 0, own = 0, most = 0;
	unsigned turns[NODES] = {0};

	begin();
	memset(&w, 0, sizeof(w));
	w.c = nodes(NODES);
	w.k = NODES;
	simulate(&w, 2, 1);
	/* The last one takes the place of the one that goes. */
	gone = w.c[3].key;
	w.c[3] = w.c[NODES - 1];
	w.k = NODES - 1;
	for (size_t i = 0; i < CONVERSATIONS; i++)
		before[i] = w.all[i].home;
	simulate(&w, 3, 1);
	for (size_t i = 0; i < CONVERSATIONS; i++) {
		own += before[i] == gone;
		moved += before[i] != gone && w.all[i].home != before[i];
		turns[place_of(&w, w.all[i].home)]++;
	}
	for (size_t i = 0; i < w.k; i++)
		most = turns[i] > most ? turns[i] : most;
	ok(own > 0 && moved == 0,
	   "many: a node leaves -> only its own conversations move");
	ok(most * w.k * 10 <= CONVERSATIONS * 13,
	   "many: ... to all the others");
	w.c = nodes(NODES);
	w.k = NODES;
	for (size_t i = 0; i < CONVERSATIONS; i++)
		before[i] = w.all[i].home;
	simulate(&w, 4, 1);
	for (size_t i = 0; i < CONVERSATIONS; i++)
		stayed += w.all[i].home == before[i];
	is_int(stayed, CONVERSATIONS, "many: it comes back -> nobody moves");
}

/* Where each goes when nobody knows it, @k nodes, in the order given or in the
 * opposite one. */
static void
homes(size_t k, bool backwards, uint64_t *home)
{
	struct gw_choice c[NODES];

	begin();
	for (size_t i = 0; i < k; i++)
		c[i] = nodes(k)[backwards ? k - 1 - i : i];
	for (unsigned i = 0; i < CONVERSATIONS; i++) {
		ask(i, 0);
		home[i] = c[choose(c, k)].key;
	}
}

static void
forgotten(void)
{
	static uint64_t a[CONVERSATIONS], b[CONVERSATIONS];
	unsigned moved = 0;

	homes(NODES, false, a);
	homes(NODES, false, b);
	is_int(memcmp(a, b, sizeof(a)), 0,
	       "forgotten: each finds its node again");
	homes(NODES, true, b);
	is_int(memcmp(a, b, sizeof(a)), 0,
	       "forgotten: whatever order the nodes are in");
	homes(NODES - 1, false, b);
	for (size_t i = 0; i < CONVERSATIONS; i++)
		moved += a[i] != b[i];
	printf("# %u of %d moved\n", moved, CONVERSATIONS);
	ok(moved * 100 <= CONVERSATIONS * 30,
	   "forgotten: one node fewer -> most find their node");
}

/* Whatever chance says. Of all nodes so many, others each time, are busy. */
static void
evenly(size_t busy)
{
	struct gw_choice *c = nodes(NODES);
	unsigned most = 0;

	for (unsigned round = 0; round < 10; round++) {
		unsigned had[NODES] = {0};

		begin();
		for (unsigned i = 0; i < CONVERSATIONS; i++) {
			for (size_t j = 0; j < NODES; j++)
				c[(j + i * 3) % NODES].in_flight = j < busy;
			ask(1000 * round + i, 0);
			had[choose(c, NODES)]++;
		}
		for (size_t i = 0; i < NODES; i++)
			most = had[i] > most ? had[i] : most;
	}
	ok(most * NODES * 4 <= CONVERSATIONS * 5,
	   "evenly: %zu of %d busy -> at most %u of %d new ones each", busy,
	   NODES, most, CONVERSATIONS / NODES);
}

static void
by_weight(void)
{
	struct gw_choice *c = nodes(3);
	unsigned had[3] = {0};

	begin();
	c[1].weight = 2;
	for (unsigned i = 0; i < CONVERSATIONS; i++) {
		ask(i, 0);
		had[choose(c, 3)]++;
	}
	ok(had[1] > 170 && had[1] < 250 && had[0] > 70 && had[2] > 70,
	   "weight: 2 of 4 -> %u of %d new conversations", had[1],
	   CONVERSATIONS);
}

int
main(void)
{
	worker.program = &routing;
	watches();
	comes_back();
	marked_message();
	sessions();
	aliases_are_apart();
	unknown();
	others_strategy();
	stays_or_leaves();
	bounded();
	moved_for_good();
	many(1, 100);
	many(24, 95);
	many(SLOTS * NODES, 90); /* all of them busy */
	one_leaves();
	forgotten();
	evenly(0);
	evenly(NODES / 2);
	evenly(NODES - 2);
	by_weight();
	gw_policy_affinity.release(&routing);
	gw_policy_least_busy.release(&routing);
	gw_body_free(request.receive.body);
	reg_close(routing.reg);
	return done_testing();
}
