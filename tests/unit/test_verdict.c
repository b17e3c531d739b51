/* SPDX-License-Identifier: MIT */
/*
 * test_verdict.c - what becomes of a request whose attempt came to nothing:
 * each cell of the manual's table, and each bound beside it.
 */
#include "base/cleanup.h"
#include "stage/verdict.h"
#include "tap.h"

#define AGAIN GW_VERDICT_AGAIN
#define OTHER GW_VERDICT_OTHER
#define LOADING GW_VERDICT_LOADING
#define FALLBACK GW_VERDICT_FALLBACK
#define RESORT GW_VERDICT_RESORT
#define END GW_VERDICT_END

static const char *
name(enum gw_verdict v)
{
	static const char *const names[] = {
		[AGAIN] = "again",	 [OTHER] = "other",
		[LOADING] = "loading",	 [FALLBACK] = "fallback",
		[RESORT] = "a last one", [END] = "the end"};

	return names[v];
}

/* The first attempt of a request, under the default rules, of the only one. */
static struct gw_attempted
first(enum gw_mishap mishap)
{
	return (struct gw_attempted){.mishap = mishap,
				     .total = 1,
				     .retry_after_ms = GW_NO_RETRY_AFTER,
				     .backoff_ms = 250,
				     .left_ms = UINT64_MAX,
				     .attempts = 2,
				     .backoff_max_ms = 5000};
}

/* Its second one, behind one of the same kind. */
static struct gw_attempted
second(enum gw_mishap mishap)
{
	struct gw_attempted a = first(mishap);

	a.total = 2;
	a.further = a.once = 1;
	return a;
}

static bool
gives(const struct gw_attempted *a, enum gw_verdict want, const char *title)
{
	uint64_t wait_ms = 77;
	enum gw_verdict v = gw_verdict(a, &wait_ms);

	/* Whoever waits knows how long; nobody else waits. */
	return ok(v == want && (v == AGAIN || wait_ms == 0),
		  "verdict: %s, %s -> %s", gw_mishap_word(a->mishap), title,
		  name(v));
}

/* ---- the table ----------------------------------------------------------- */

static const struct row {
	enum gw_mishap mishap;
	enum gw_verdict alone, alone_twice, among, among_twice;
	unsigned failures;
} table[] = {
	{GW_MISHAP_NONE, END, END, END, END, 0},
	{GW_MISHAP_UNCONNECTED, AGAIN, AGAIN, OTHER, OTHER, 1},
	{GW_MISHAP_LOST, AGAIN, END, OTHER, END, 1},
	{GW_MISHAP_BUSY, AGAIN, AGAIN, OTHER, OTHER, 0},
	{GW_MISHAP_FAILED, AGAIN, END, OTHER, END, 0},
	{GW_MISHAP_DOWN, AGAIN, AGAIN, OTHER, OTHER, 1},
	{GW_MISHAP_LOADING, LOADING, LOADING, OTHER, OTHER, 0},
	{GW_MISHAP_SILENT, END, END, OTHER, END, 1},
	{GW_MISHAP_TOO_LONG, END, END, END, END, 0},
	{GW_MISHAP_KEY_REFUSED, END, END, OTHER, OTHER, 1},
	{GW_MISHAP_OWN, END, END, OTHER, OTHER, 0},
};

/* Fallback follows where the columns end, and nowhere else. */
static void
cell(struct gw_attempted a, enum gw_verdict want, const char *title)
{
	char longer[64];

	gives(&a, want, title);
	a.fallback = true;
	snprintf(longer, sizeof(longer), "%s, with a fallback", title);
	gives(&a, want == END && a.mishap != GW_MISHAP_NONE ? FALLBACK : want,
	      longer);
}

static void
cells(void)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(table); i++) {
		const struct row *row = &table[i];
		struct gw_attempted a = first(row->mishap);
		struct gw_attempted b = second(row->mishap);

		cell(a, row->alone, "alone");
		cell(b, row->alone_twice, "alone, the second time");
		a.another = b.another = true;
		cell(a, row->among, "one of several");
		cell(b, row->among_twice, "one of several, the second time");
		is_int(gw_mishap_failures(row->mishap), row->failures,
		       "verdict: and counts towards ejection");
	}
	is_int(GW_ARRAY_LEN(table), GW_MISHAP__MAX,
	       "verdict: there is a row for each mishap");
}

/* One kind's `once` is not another's. */
static void
once(void)
{
	struct gw_attempted a = second(GW_MISHAP_LOST);

	a.another = true;
	a.once = 0; /* the first attempt was refused */
	gives(&a, OTHER, "behind a mishap of another kind");
	a.once = 1;
	a.attempts = 10;
	gives(&a, END, "twice, with many attempts left");
}

/* ---- bounds -------------------------------------------------------------- */

/* How often a request is sent if it always ends so. */
static unsigned
sent(enum gw_mishap mishap, unsigned attempts, bool another)
{
	struct gw_attempted a = first(mishap);
	enum gw_verdict v;
	uint64_t wait_ms;

	a.attempts = attempts;
	a.another = another;
	while (a.total < 100) {
		v = gw_verdict(&a, &wait_ms);
		if (v != AGAIN && v != OTHER)
			break;
		a.total++;
		a.further++;
		a.once++;
	}
	return a.total;
}

static void
attempts(void)
{
	struct gw_attempted a;

	for (unsigned n = 0; n <= 10; n++) {
		unsigned all =
			n + 1 < GW_ATTEMPTS_MAX ? n + 1 : GW_ATTEMPTS_MAX;

		ok(sent(GW_MISHAP_UNCONNECTED, n, false) == all &&
			   sent(GW_MISHAP_DOWN, n, true) == all &&
			   sent(GW_MISHAP_BUSY, n, true) == all,
		   "verdict: attempts: %u -> %u in all", n, all);
		ok(sent(GW_MISHAP_LOST, n, true) == (n ? 2 : 1) &&
			   sent(GW_MISHAP_FAILED, n, false) == (n ? 2 : 1) &&
			   sent(GW_MISHAP_SILENT, n, true) == (n ? 2 : 1) &&
			   sent(GW_MISHAP_SILENT, n, false) == 1,
		   "verdict: attempts: %u -> once is once", n);
	}
	is_int(GW_ATTEMPTS_MAX, 8, "verdict: 8 in all");
	/* A fallback's attempts are its own, the sum is the request's. */
	a = first(GW_MISHAP_DOWN);
	a.total = 7;
	gives(&a, AGAIN, "the seventh, the first of its alias");
	a.fallback = true;
	a.further = 2;
	gives(&a, FALLBACK, "the seventh, the last of its alias");
	a.total = 8;
	gives(&a, END, "the eighth, though there is a fallback");
	a.another = a.passed_over = true;
	a.further = 0;
	gives(&a, END, "the eighth, though there is another one");
	a = first(GW_MISHAP_LOADING);
	a.total = 8;
	a.another = true;
	gives(&a, LOADING, "the eighth: it is no attempt to wait");
	a = first(GW_MISHAP_LOADING);
	a.attempts = 0;
	gives(&a, LOADING, "no further attempts: none is used");
	a.another = true;
	gives(&a, OTHER, "no further attempts: nor by another one");
}

static void
retry_after(void)
{
	struct gw_attempted a = first(GW_MISHAP_BUSY);
	uint64_t wait_ms;

	gw_verdict(&a, &wait_ms);
	is_int((long long)wait_ms, 250, "Retry-After: none -> the back-off");
	a.retry_after_ms = 1000;
	gw_verdict(&a, &wait_ms);
	is_int((long long)wait_ms, 1000, "Retry-After: replaces it");
	a.backoff_ms = 4000;
	gw_verdict(&a, &wait_ms);
	is_int((long long)wait_ms, 1000, "Retry-After: a shorter one, too");
	a.retry_after_ms = 0;
	gives(&a, AGAIN, "Retry-After: 0");
	a.retry_after_ms = 5000;
	gives(&a, AGAIN, "Retry-After of backoff_max_s");
	a.retry_after_ms = 5001;
	gives(&a, END, "Retry-After longer than that");
	a.fallback = true;
	gives(&a, FALLBACK, "Retry-After longer than that, a fallback");
	a.fallback = false;
	a.passed_over = true;
	gives(&a, RESORT, "Retry-After longer than that, others are ejected");
	a.another = true;
	gives(&a, OTHER, "Retry-After longer than that, another one");
	a = first(GW_MISHAP_DOWN);
	a.retry_after_ms = 5001;
	gives(&a, END, "Retry-After longer than that, of a 502");
}

static void
total(void)
{
	struct gw_attempted a = first(GW_MISHAP_UNCONNECTED);

	a.left_ms = 251;
	gives(&a, AGAIN, "total_s outlasts the wait");
	a.left_ms = 250;
	gives(&a, END, "total_s ends with the wait");
	a.fallback = true;
	gives(&a, FALLBACK, "total_s ends with the wait, a fallback");
	a.left_ms = 0;
	a.another = true;
	gives(&a, OTHER, "another one needs no wait");
	a = first(GW_MISHAP_BUSY);
	a.retry_after_ms = 3000;
	a.left_ms = 2000;
	gives(&a, END, "Retry-After is behind the end of total_s");
}

static void
loading(void)
{
	struct gw_attempted a = first(GW_MISHAP_LOADING);

	a.passed_over = true;
	gives(&a, LOADING, "others are ejected");
	a.loading_over = true;
	gives(&a, RESORT, "for too long, others are ejected");
	a.fallback = true;
	gives(&a, FALLBACK, "for too long, a fallback");
	a.fallback = a.passed_over = false;
	gives(&a, END, "for too long");
	a.another = true;
	gives(&a, OTHER, "for too long, another one");
}

/* One that is passed over is asked where nothing else is left, by the rules
 * that hold for another one. */
static void
resort(void)
{
	static const struct {
		enum gw_mishap mishap;
		enum gw_verdict once, twice;
	} rows[] = {
		{GW_MISHAP_NONE, END, END},
		{GW_MISHAP_UNCONNECTED, AGAIN, AGAIN},
		{GW_MISHAP_LOST, AGAIN, END},
		{GW_MISHAP_BUSY, AGAIN, AGAIN},
		{GW_MISHAP_FAILED, AGAIN, END},
		{GW_MISHAP_DOWN, AGAIN, AGAIN},
		{GW_MISHAP_LOADING, LOADING, LOADING},
		{GW_MISHAP_SILENT, RESORT, END},
		{GW_MISHAP_TOO_LONG, END, END},
		{GW_MISHAP_KEY_REFUSED, RESORT, RESORT},
		{GW_MISHAP_OWN, RESORT, RESORT},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		struct gw_attempted a = first(rows[i].mishap);
		struct gw_attempted b = second(rows[i].mishap);

		a.passed_over = b.passed_over = true;
		gives(&a, rows[i].once, "others are passed over");
		gives(&b, rows[i].twice, "others are passed over, twice");
		a.further = 2;
		if (rows[i].mishap != GW_MISHAP_LOADING)
			gives(&a, END, "others, no attempt left");
	}
}

/* The same one is not asked again if it is ejected and somebody stands in. */
static void
ejected_meanwhile(void)
{
	struct gw_attempted a = first(GW_MISHAP_UNCONNECTED);

	a.ejected = true;
	gives(&a, AGAIN, "ejected, and nobody else");
	a.passed_over = true;
	gives(&a, RESORT, "ejected, as all others are");
	a.further = 2;
	gives(&a, END, "ejected, as all others are, no attempt left");
	a.further = 0;
	a.fallback = true;
	gives(&a, FALLBACK, "ejected, a fallback");
	a.another = true;
	gives(&a, OTHER, "ejected, another one");
	a = first(GW_MISHAP_BUSY);
	a.ejected = a.fallback = true;
	gives(&a, FALLBACK, "ejected, a fallback");
}

/* ---- what happened ------------------------------------------------------- */

static void
transfers(void)
{
	static const enum gw_mishap want[GW_TRANSFER__MAX] = {
		[GW_TRANSFER_OK] = GW_MISHAP_NONE,
		[GW_TRANSFER_REFUSED] = GW_MISHAP_UNCONNECTED,
		[GW_TRANSFER_CONNECT_TIMEOUT] = GW_MISHAP_UNCONNECTED,
		[GW_TRANSFER_UNREACHABLE] = GW_MISHAP_UNCONNECTED,
		[GW_TRANSFER_STRANGER] = GW_MISHAP_UNCONNECTED,
		[GW_TRANSFER_DNS] = GW_MISHAP_UNCONNECTED,
		[GW_TRANSFER_TLS] = GW_MISHAP_UNCONNECTED,
		[GW_TRANSFER_UNACKNOWLEDGED] = GW_MISHAP_UNCONNECTED,
		[GW_TRANSFER_VANISHED] = GW_MISHAP_LOST,
		[GW_TRANSFER_CLOSED] = GW_MISHAP_LOST,
		[GW_TRANSFER_NOT_HTTP] = GW_MISHAP_LOST,
		[GW_TRANSFER_TIMED_OUT] = GW_MISHAP_SILENT,
		[GW_TRANSFER_BROKEN] = GW_MISHAP_LOST,
		[GW_TRANSFER_INTERNAL] = GW_MISHAP_OWN,
		[GW_TRANSFER_HEADERS_TOO_LARGE] = GW_MISHAP_LOST,
		[GW_TRANSFER_KEY_REFUSED] = GW_MISHAP_KEY_REFUSED,
		[GW_TRANSFER_UNAVAILABLE] = GW_MISHAP_LOST,
	};

	for (int i = 0; i < GW_TRANSFER__MAX; i++)
		is_int(gw_mishap_of_transfer((enum gw_transfer_result)i),
		       want[i], "mishap: of a transfer");
}

#define LLAMA_LOADING                                                          \
	"{\"error\":{\"message\":\"Loading model\",\"type\":"                  \
	"\"unavailable_error\",\"code\":503}}"
#define LLAMA_TOO_LONG                                                         \
	"{\"error\":{\"code\":400,\"message\":\"the request exceeds the "      \
	"available context size\",\"type\":\"exceed_context_size_error\","     \
	"\"n_prompt_tokens\":9000,\"n_ctx\":4096}}"
#define OPENAI_TOO_LONG                                                        \
	"{\"error\":{\"message\":\"This model's maximum context length is\","  \
	"\"type\":\"invalid_request_error\",\"param\":\"messages\","           \
	"\"code\":\"context_length_exceeded\"}}"

static void
answers(void)
{
	static const struct {
		int status;
		bool retry_after;
		const char *body;
		enum gw_mishap want;
	} rows[] = {
		{200, false, "", GW_MISHAP_NONE},
		{200, true, LLAMA_LOADING, GW_MISHAP_NONE},
		{302, false, "", GW_MISHAP_NONE},
		{401, false, "{}", GW_MISHAP_NONE},
		{403, false, "{}", GW_MISHAP_NONE},
		{404, false, LLAMA_TOO_LONG, GW_MISHAP_NONE},
		{408, true, "", GW_MISHAP_NONE},
		{422, false, OPENAI_TOO_LONG, GW_MISHAP_NONE},
		{429, false, "", GW_MISHAP_BUSY},
		{429, true, "{}", GW_MISHAP_BUSY},
		{500, false, "", GW_MISHAP_FAILED},
		{500, true, LLAMA_LOADING, GW_MISHAP_FAILED},
		{501, false, "", GW_MISHAP_NONE},
		{502, false, "", GW_MISHAP_DOWN},
		{502, true, "", GW_MISHAP_DOWN},
		{503, false, "", GW_MISHAP_DOWN},
		{503, false, "not JSON", GW_MISHAP_DOWN},
		{503, true, "", GW_MISHAP_BUSY},
		{503, false, LLAMA_LOADING, GW_MISHAP_LOADING},
		{503, true, LLAMA_LOADING, GW_MISHAP_LOADING},
		{503, false, "{\"message\":\"Loading model\"}",
		 GW_MISHAP_LOADING},
		{503, false, "{\"error\":{\"message\":\"Loading\"}}",
		 GW_MISHAP_DOWN},
		{503, false, "{\"error\":{\"message\":[\"Loading model\"]}}",
		 GW_MISHAP_DOWN},
		{503, false, "{\"error\":\"Loading model\"}", GW_MISHAP_DOWN},
		{503, false, "[\"Loading model\"]", GW_MISHAP_DOWN},
		{504, false, "", GW_MISHAP_DOWN},
		{505, false, "", GW_MISHAP_NONE},
		{400, false, LLAMA_TOO_LONG, GW_MISHAP_TOO_LONG},
		{400, false, OPENAI_TOO_LONG, GW_MISHAP_TOO_LONG},
		{413, false, LLAMA_TOO_LONG, GW_MISHAP_TOO_LONG},
		{413, false, OPENAI_TOO_LONG, GW_MISHAP_TOO_LONG},
		{400, false, "{\"code\":\"exceed_context_size_error\"}",
		 GW_MISHAP_TOO_LONG},
		{400, false,
		 "{\"error\":{\"type\":\"context_length_exceeded\"}}",
		 GW_MISHAP_TOO_LONG},
		{400, false,
		 "{\"error\":{\"message\":\"context_length_exceeded\"}}",
		 GW_MISHAP_NONE},
		{400, false, "{\"error\":{\"code\":\"invalid\"}}",
		 GW_MISHAP_NONE},
		{400, false, "{\"error\":{\"code\":400}}", GW_MISHAP_NONE},
		{413, false, "<html>too large</html>", GW_MISHAP_NONE},
		{400, false, "{\"error\":", GW_MISHAP_NONE},
		{400, true, "", GW_MISHAP_NONE},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++)
		ok(gw_mishap_of_answer(rows[i].status, rows[i].retry_after,
				       rows[i].body,
				       strlen(rows[i].body)) == rows[i].want,
		   "mishap: %d%s %.60s -> %s", rows[i].status,
		   rows[i].retry_after ? " with Retry-After" : "", rows[i].body,
		   gw_mishap_word(rows[i].want));
}

/* What is passed at once is never asked about afterwards. */
static void
statuses(void)
{
	unsigned wrong = 0;

	for (int status = 100; status < 600; status++) {
		bool may_fail =
			gw_mishap_of_answer(status, true, LLAMA_TOO_LONG,
					    strlen(LLAMA_TOO_LONG)) ||
			gw_mishap_of_answer(status, false, LLAMA_LOADING,
					    strlen(LLAMA_LOADING));

		wrong += may_fail != gw_mishap_needs_answer(status);
		wrong += gw_mishap_is_key(status, false);
		wrong += gw_mishap_is_key(status, true) !=
			 (status == 401 || status == 403);
	}
	is_int(wrong, 0, "mishap: exactly those statuses are looked at whole");
}

static void
words(void)
{
	unsigned wrong = 0;

	for (int i = 0; i < GW_MISHAP__MAX; i++)
		for (int j = 0; j < i; j++)
			wrong += strcmp(gw_mishap_word((enum gw_mishap)i),
					gw_mishap_word((enum gw_mishap)j)) == 0;
	is_int(wrong, 0, "mishap: each has a word of its own");
}

/* ---- waits --------------------------------------------------------------- */

static void
backoff(void)
{
	static const struct {
		unsigned n;
		uint64_t base, max, least, most;
	} rows[] = {
		{1, 250, 5000, 187, 312},	    {2, 250, 5000, 375, 625},
		{3, 250, 5000, 750, 1250},	    {5, 250, 5000, 3000, 5000},
		{6, 250, 5000, 3750, 6250},	    {7, 250, 5000, 3750, 6250},
		{1000, 250, 5000, 3750, 6250},	    {1, 1, 1, 0, 1},
		{1, 9000, 5000, 3750, 6250},	    {9, 0, 5000, 0, 0},
		{64, 1, 3600000, 2700000, 4500000},
	};
	static const uint64_t randoms[] = {
		0, 1, 1000003, UINT64_MAX / 3, UINT64_MAX - 1, UINT64_MAX};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		uint64_t least = UINT64_MAX, most = 0;
		bool within = true;

		for (uint64_t k = 0; k < 20000; k++) {
			uint64_t random = k < GW_ARRAY_LEN(randoms)
						  ? randoms[k]
						  : k * 2654435761u;
			uint64_t ms = gw_backoff_ms(rows[i].n, rows[i].base,
						    rows[i].max, random);

			least = ms < least ? ms : least;
			most = ms > most ? ms : most;
			within &= ms >= rows[i].least && ms <= rows[i].most;
		}
		ok(within, "backoff: the %u. of %d ms -> 25 %% more or less",
		   rows[i].n, (int)rows[i].base);
		ok(most - least >= (rows[i].most - rows[i].least) * 9 / 10,
		   "backoff: all of that (%d to %d)", (int)least, (int)most);
	}
}

int
main(void)
{
	cells();
	once();
	attempts();
	retry_after();
	total();
	loading();
	resort();
	ejected_meanwhile();
	transfers();
	answers();
	statuses();
	words();
	backoff();
	return done_testing();
}
