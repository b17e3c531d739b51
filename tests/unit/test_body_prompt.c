/* SPDX-License-Identifier: MIT */
/*
 * test_body_prompt.c - hashes of a prompt's beginnings: what they depend on,
 * and what they do not, however the body arrives.
 */
#include <stdlib.h>

#include "body/body.h"
#include "body/prompt.h"
#include "body_config.h"
#include "tap.h"

#define LIMIT (4u << 20)
#define U1 "{\"role\":\"user\",\"content\":\"first question\"}"
#define A1 "{\"role\":\"assistant\",\"content\":\"an answer\"}"
#define U2 "{\"role\":\"user\",\"content\":\"second question\"}"
#define S "{\"role\":\"system\",\"content\":\"be kind\"}"
#define CHAT(list) "{\"model\":\"m\",\"messages\":[" list "]}"

struct beginnings {
	uint64_t hash[GW_PROMPT_PARTS_MAX];
	size_t n;
};

static void
read_in(const char *text, size_t len, size_t step, struct beginnings *out)
{
	struct gw_body *b = gw_body_new(LIMIT, &test_room, &test_config);
	struct gw_err err = {0};
	const uint64_t *hashes;
	size_t n;

	memset(out, 0, sizeof(*out));
	if (!b || gw_body_watch_prompt(b) < 0)
		abort();
	for (size_t at = 0; at < len; at += n) {
		n = step < len - at ? step : len - at;
		if (gw_body_append(b, text + at, n, &err) < 0)
			break;
	}
	if (err.code || gw_body_finish(b, &err) < 0) {
		ok(false, "a body is refused: %s", err.msg);
		exit(1);
	}
	gw_body_discard(b);
	out->n = gw_body_prefixes(b, &hashes);
	if (out->n)
		memcpy(out->hash, hashes, out->n * sizeof(hashes[0]));
	gw_body_free(b);
}

/* In one piece, and in pieces of each small size: that must not matter. */
static struct beginnings
of(const char *text)
{
	struct beginnings whole, other;
	size_t len = strlen(text);

	read_in(text, len, GW_BODY_STEP_BYTES, &whole);
	for (size_t step = 1; step < 12 && len < 4096; step++) {
		read_in(text, len, step, &other);
		if (memcmp(&whole, &other, sizeof(whole)) != 0)
			ok(false, "pieces of %zu bytes: %.60s", step, text);
	}
	return whole;
}

/* So many beginnings of both are the same. */
static size_t
shared(const char *a, const char *b)
{
	struct beginnings x = of(a), y = of(b);
	size_t i = 0;

	while (i < x.n && i < y.n && x.hash[i] == y.hash[i])
		i++;
	/* They are chained: what follows a difference differs. */
	for (size_t j = i; j < x.n && j < y.n; j++)
		if (x.hash[j] == y.hash[j])
			return SIZE_MAX;
	return i;
}

/* ---- what counts --------------------------------------------------------- */

static void
what_counts(void)
{
	static const struct {
		const char *body;
		size_t n;
		const char *title;
	} rows[] = {
		{CHAT(U1), 1, "one message of a user"},
		{CHAT(S "," U1), 1, "a system message before it does not"},
		{CHAT(S "," A1 "," U1), 1, "nor does an assistant's"},
		{CHAT(U1 "," A1 "," U2), 3, "all that follows it does"},
		{CHAT(S "," A1), 0, "no message of a user -> nothing"},
		{CHAT(""), 0, "no message"},
		{"{\"model\":\"m\"}", 0, "no messages"},
		{"{}", 0, "an empty object"},
		{"{\"messages\":null}", 1, "messages that are no list"},
		{CHAT("{\"content\":\"role\",\"role\":\"user\"}"), 1,
		 "the role stands behind the content"},
		{CHAT("{\"content\":[{\"role\":\"user\"}],\"role\":"
		      "\"system\"}"),
		 0, "a role deeper than the message's"},
		{CHAT("{\"role\":{\"role\":\"user\"},\"a\":\"user\"}"), 0,
		 "a role that is no text"},
		{CHAT("{\"role\":[\"user\"]}"), 0, "a role that is a list"},
		{CHAT("{\"name\":\"role\",\"x\":\"user\"}"), 0,
		 "`role` as a value"},
		{CHAT("{\"role\":\"users\"},{\"role\":\"use\"}"), 0,
		 "other roles"},
		{CHAT("{\"role\":\"user of a long name that nobody has\"}"), 0,
		 "a long role"},
		{CHAT("[\"role\",\"user\"],[{\"role\":\"user\"}]"), 0,
		 "lists as messages"},
		{"{\"a\":{\"messages\":[" U1 "]},\"b\":[\"messages\",[" U1
		 "]]}",
		 0, "`messages` deeper than the top"},
		{"{\"input\":\"hello\"}", 1, "responses: one text is a user's"},
		{"{\"input\":[" S "," U1 "]}", 1, "responses: a list"},
		{"{\"input\":\"\"}", 1, "responses: an empty text"},
		{"{\"prompt\":\"hello\"}", 1, "a prompt of less than a block"},
		{"{\"prompt\":[1,2,3]}", 1, "a prompt of tokens"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char title[120];

		snprintf(title, sizeof(title), "counts: %s", rows[i].title);
		is_int((long long)of(rows[i].body).n, (long long)rows[i].n,
		       title);
	}
}

/* ---- what they depend on ------------------------------------------------- */

static void
what_matters(void)
{
	static const struct {
		const char *a, *b;
		size_t same;
		const char *title;
	} rows[] = {
		{CHAT(U1), CHAT(U1 "," A1 "," U2), 1,
		 "a conversation goes on -> its beginning stays"},
		{CHAT(U1 "," A1 "," U2), CHAT(U1 "," A1 "," U1), 2,
		 "another last message"},
		{CHAT(U1), CHAT(U2), 0, "another first message"},
		{CHAT(S "," U1), CHAT(U1), 0,
		 "a system message counts with it"},
		{CHAT(U1),
		 "{\"messages\" : [\n" U1 "\n],\r\n\t\"temperature\":1}", 1,
		 "blanks, other members and their order do not"},
		{CHAT("{\"role\":\"user\",\"content\":\"a b\"}"),
		 CHAT("{\"role\":\"user\",\"content\":\"a  b\"}"), 0,
		 "blanks in a text do"},
		{CHAT("{\"role\":\"user\",\"content\":1}"),
		 CHAT("{\"role\":\"user\",\"content\":2}"), 0, "numbers do"},
		{"{\"tools\":[{\"a\":1}],\"messages\":[" U1 "]}",
		 "{\"messages\":[" U1 "],\"tools\":[{\"a\":1}]}", 1,
		 "tools before or behind the messages"},
		{"{\"tools\":[{\"a\":1}],\"messages\":[" U1 "]}",
		 "{\"tools\":[{\"a\":2}],\"messages\":[" U1 "]}", 0,
		 "other tools"},
		{"{\"system\":\"x\",\"messages\":[" U1 "]}",
		 "{\"system\":\"y\",\"messages\":[" U1 "]}", 0,
		 "another `system`"},
		{"{\"system\":\"x\",\"messages\":[" U1 "]}",
		 "{\"instructions\":\"x\",\"messages\":[" U1 "]}", 0,
		 "what the head is called"},
		{"{\"instructions\":\"x\",\"input\":\"a\"}",
		 "{\"instructions\":\"y\",\"input\":\"a\"}", 0,
		 "other `instructions`"},
		{"{\"input\":[" U1 "]}", "{\"input\":[" U1 "," A1 "," U2 "]}",
		 1, "responses: a conversation goes on"},
		{CHAT("{\"role\":\"user\",\"content\":\"\\\"]},{\"}"),
		 CHAT("{\"role\":\"user\",\"content\":\"\\\"]},{\"}," A1), 1,
		 "quotes and brackets in a text"},
		{CHAT("{\"role\":\"user\",\"content\":\"\\\\\"}"),
		 CHAT("{\"role\":\"user\",\"content\":\"\\\\\"}," A1), 1,
		 "a backslash at its end"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char title[120];

		snprintf(title, sizeof(title), "matters: %s", rows[i].title);
		is_int((long long)shared(rows[i].a, rows[i].b),
		       (long long)rows[i].same, title);
	}
}

/* ---- lines that are left out --------------------------------------------- */

#define BILL "x-anthropic-billing-header: cc_version=2.1; cch="
#define SYSTEM(text) "{\"system\":" text ",\"messages\":[" U1 "]}"

static void
lines_left_out(void)
{
	static const struct {
		const char *a, *b;
		size_t same;
		const char *title;
	} rows[] = {
		{SYSTEM("\"" BILL "1;\\nbe kind\""),
		 SYSTEM("\"" BILL "2345;\\nbe kind\""), 1, "at the beginning"},
		{SYSTEM("\"" BILL "1;\\nbe kind\""), SYSTEM("\"be kind\""), 1,
		 "... as if it were not there"},
		{SYSTEM("\"be\\n" BILL "1;\\nkind\""),
		 SYSTEM("\"be\\n" BILL "2;\\nkind\""), 1, "in the middle"},
		{SYSTEM("\"be kind\\n" BILL "1;\""),
		 SYSTEM("\"be kind\\n" BILL "2;\""), 1, "at the end"},
		{SYSTEM("[{\"type\":\"text\",\"text\":\"" BILL "1;\"},"
			"{\"type\":\"text\",\"text\":\"be kind\"}]"),
		 SYSTEM("[{\"type\":\"text\",\"text\":\"" BILL "2;\"},"
			"{\"type\":\"text\",\"text\":\"be kind\"}]"),
		 1, "a block of its own"},
		{SYSTEM("[{\"text\":\"" BILL "1;\"},{\"text\":\"a\"}]"),
		 SYSTEM("[{\"text\":\"" BILL "1;\"},{\"text\":\"b\"}]"), 0,
		 "... and not the next one"},
		{SYSTEM("\"" BILL "1;\\n" BILL "2;\\nbe\""),
		 SYSTEM("\"" BILL "3;\\nbe\""), 1, "two of them"},
		{SYSTEM("\"" BILL "1\\\"\\\\n;\\nbe\""), SYSTEM("\"be\""), 1,
		 "with escapes in it"},
		{SYSTEM("\"" BILL "1;\\nbe kind\""),
		 SYSTEM("\"" BILL "1;\\nbe rude\""), 0,
		 "what follows it stays"},
		{SYSTEM("\"say " BILL "1\""), SYSTEM("\"say " BILL "2\""), 0,
		 "only where a line begins"},
		{SYSTEM("\"x-anthropic-billing-heade\""),
		 SYSTEM("\"x-anthropic-billing-head\""), 0,
		 "a part of its name is text"},
		{SYSTEM("\"x-anthropic-billing-headers: 1\""),
		 SYSTEM("\"x-anthropic-billing-headers: 2\""), 0,
		 "another name is text"},
		{SYSTEM("\"x-anthropic-billing\\theader: 1\""),
		 SYSTEM("\"x-anthropic-billing\\theader: 2\""), 0,
		 "an escape in its name is text"},
		{CHAT("{\"role\":\"system\",\"content\":\"" BILL
		      "1;\\nbe\"}," U1),
		 CHAT("{\"role\":\"system\",\"content\":\"" BILL
		      "2;\\nbe\"}," U1),
		 1, "in a message"},
		{"{\"prompt\":\"" BILL "1;\\nbe\"}",
		 "{\"prompt\":\"" BILL "23;\\nbe\"}", 1, "in a prompt"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char title[120];

		snprintf(title, sizeof(title), "left out: %s", rows[i].title);
		is_int((long long)shared(rows[i].a, rows[i].b),
		       (long long)rows[i].same, title);
	}
}

/* ---- bounds -------------------------------------------------------------- */

/* A chat of @n messages, of which number @user and all behind it are users'. */
static char *
long_chat(size_t n, size_t user)
{
	struct gw_buf b = GW_BUF_INIT(LIMIT);
	char message[100];

	if (gw_buf_puts(&b, "{\"messages\":[") < 0)
		abort();
	for (size_t i = 0; i < n; i++) {
		snprintf(message, sizeof(message),
			 "%s{\"role\":\"%s\",\"content\":\"%zu\"}",
			 i ? "," : "", i < user ? "system" : "user", i);
		if (gw_buf_puts(&b, message) < 0)
			abort();
	}
	if (gw_buf_append(&b, "]}", 3) < 0)
		abort();
	return b.data;
}

static size_t
shared_long(size_t a, size_t b, size_t user)
{
	gw_auto_free char *x = long_chat(a, user), *y = long_chat(b, user);

	return shared(x, y);
}

static void
many_messages(void)
{
	const size_t max = GW_PROMPT_PARTS_MAX;
	gw_auto_free char *most = long_chat(max, 0),
			  *more = long_chat(max + 1, 0);
	gw_auto_free char *late = long_chat(max + 5, max + 2);
	gw_auto_free char *none = long_chat(max + 5, max + 5);

	is_int((long long)of(most).n, (long long)max, "bounds: as many parts");
	is_int((long long)of(more).n, (long long)max, "bounds: one more");
	is_int((long long)shared_long(max, max + 1, 0), (long long)max - 1,
	       "bounds: the last part is all that follows");
	is_int((long long)shared_long(max + 7, max + 9, 0), (long long)max - 1,
	       "bounds: ... however much that is");
	is_int((long long)of(late).n, 1, "bounds: a user behind them counts");
	is_int((long long)of(none).n, 0, "bounds: and none does not");
}

static char *
prompt_of(size_t bytes, char last)
{
	struct gw_buf b = GW_BUF_INIT(LIMIT);

	if (gw_buf_puts(&b, "{\"prompt\":\"") < 0)
		abort();
	for (size_t i = 0; i + 1 < bytes; i++)
		if (gw_buf_append(&b, &(char){(char)('a' + i % 7)}, 1) < 0)
			abort();
	if (gw_buf_append(&b, &last, 1) < 0 || gw_buf_append(&b, "\"}", 3) < 0)
		abort();
	return b.data;
}

static void
blocks(void)
{
	const size_t block = GW_PROMPT_BLOCK_BYTES;
	/* Its two quotes are part of the text. */
	gw_auto_free char *one = prompt_of(block - 2, 'x');
	gw_auto_free char *two = prompt_of(block - 1, 'x');
	gw_auto_free char *ten = prompt_of(10 * block, 'x');
	gw_auto_free char *other = prompt_of(10 * block, 'y');
	gw_auto_free char *longer = prompt_of(12 * block, 'z');
	gw_auto_free char *most =
		prompt_of(GW_PROMPT_PARTS_MAX * block + 5 * block, 'x');

	is_int((long long)of(one).n, 1, "blocks: a full one");
	is_int((long long)of(two).n, 2, "blocks: a byte more");
	is_int((long long)of(ten).n, 11, "blocks: ten and a bit");
	is_int((long long)shared(ten, other), 10, "blocks: another last byte");
	is_int((long long)shared(ten, longer), 10,
	       "blocks: the prompt goes on -> its whole blocks stay");
	is_int((long long)of(most).n, GW_PROMPT_PARTS_MAX,
	       "blocks: no more than there is room for");
}

/* A long text of one message is not kept anywhere. */
static void
long_message(void)
{
	gw_auto_free char *x = NULL, *y = NULL;
	struct gw_buf a = GW_BUF_INIT(LIMIT), b = GW_BUF_INIT(LIMIT);
	int rc = 0;

	rc |= gw_buf_puts(&a,
			  "{\"messages\":[{\"role\":\"user\",\"content\":\"");
	for (int i = 0; i < 100000; i++)
		rc |= gw_buf_puts(&a, "0123456789");
	rc |= gw_buf_append(&b, a.data, a.len);
	rc |= gw_buf_append(&a, "\"}]}", 5);
	rc |= gw_buf_append(&b, "!\"}]}", 6);
	x = a.data;
	y = b.data;
	if (rc < 0)
		abort();
	is_int((long long)of(x).n, 1, "a text of 1 MB: one part");
	is_int((long long)shared(x, x), 1, "... is itself");
	is_int((long long)shared(x, y), 0, "... and not one that goes on");
}

static void
nobody_watches(void)
{
	struct gw_body *b = gw_body_new(LIMIT, &test_room, &test_config);
	struct gw_err err = {0};
	const uint64_t *hashes;

	if (!b || gw_body_append(b, CHAT(U1), sizeof(CHAT(U1)) - 1, &err) < 0 ||
	    gw_body_finish(b, &err) < 0)
		abort();
	is_int((long long)gw_body_prefixes(b, &hashes), 0,
	       "nobody watches -> nothing is hashed");
	gw_body_free(b);
}

/* It may be shown what is no JSON before that is refused. */
static void
any_bytes(void)
{
	struct gw_prompt p;
	const uint64_t *hashes;
	uint32_t x = 1;
	size_t most = 0;
	static const char marks[] = "{}[]:,\"\\ nrole\"user\"messages\"input";

	for (int round = 0; round < 2000; round++) {
		memset(&p, 0, sizeof(p));
		for (int i = 0; i < 400; i++) {
			x = x * 1664525u + 1013904223u;
			gw_prompt_more(
				&p, &marks[(x >> 8) % (sizeof(marks) - 1)], 1);
		}
		gw_prompt_more(&p, "]]]]}}}}", 8);
		most = gw_prompt_end(&p, &hashes) > most ? 1 : most;
	}
	ok(most <= GW_PROMPT_PARTS_MAX, "any bytes: no more than fits");
}

int
main(void)
{
	what_counts();
	what_matters();
	lines_left_out();
	many_messages();
	blocks();
	long_message();
	nobody_watches();
	any_bytes();
	return done_testing();
}
