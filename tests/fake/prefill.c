/* SPDX-License-Identifier: MIT */
/*
 * prefill.c - a request whose prompt ends with a part of the answer: a chat
 * whose last message is the assistant's, a completion whose prompt goes on.
 *
 * A stream goes on behind it, as llama-server's does; told so, the request is
 * refused, or the answer begins anew. Whole answers hold all of the text.
 */
#include "fake.h"

#include <string.h>

/* More scripted tokens than this are not continued. */
#define TOKENS_MAX 100000

/* Content of a chat's last message where the assistant said it, or NULL. */
static const char *
begun_chat(struct json_object *request)
{
	struct json_object *messages, *last, *content;
	const char *role;
	size_t n;

	if (!json_object_object_get_ex(request, "messages", &messages) ||
	    !json_object_is_type(messages, json_type_array))
		return NULL;
	n = json_object_array_length(messages);
	last = n ? json_object_array_get_idx(messages, n - 1) : NULL;
	if (!json_object_is_type(last, json_type_object))
		return NULL;
	role = gw_json_get_str(last, "role");
	if (!role || strcmp(role, "assistant") != 0 ||
	    !json_object_object_get_ex(last, "content", &content))
		return NULL;
	return fake_content(content);
}

/* How much of @text the prompt's end holds. */
static size_t
held_by_prompt(const char *prompt, const char *text)
{
	size_t have = strlen(prompt), n = strlen(text);

	for (n = n < have ? n : have; n > 0; n--)
		if (memcmp(prompt + have - n, text, n) == 0)
			return n;
	return 0;
}

static size_t
held(const struct fake_conn *c, const char *text)
{
	const char *begun = NULL;

	if (c->x.kind == FAKE_COMPLETIONS) {
		begun = gw_json_get_str(c->x.request, "prompt");
		return begun ? held_by_prompt(begun, text) : 0;
	}
	if (c->x.kind == FAKE_CHAT)
		begun = begun_chat(c->x.request);
	return begun && strncmp(text, begun, strlen(begun)) == 0 ? strlen(begun)
								 : 0;
}

/* Scripted tokens: their text is t1t2...; the prefill ends behind one. */
static void
skip_tokens(struct fake_conn *c)
{
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(FAKE_OUT_MAX_BYTES);
	int64_t n = c->x.script.tokens;
	size_t used, at = 0;

	if (n > TOKENS_MAX)
		return;
	for (int64_t i = 1; i <= n; i++)
		if (gw_buf_printf(&text, "t%lld", (long long)i))
			return;
	used = text.data ? held(c, text.data) : 0;
	for (int64_t i = 1; i <= n && at < used; i++) {
		at += (size_t)snprintf(NULL, 0, "t%lld", (long long)i);
		if (at == used)
			c->x.skipped = i;
	}
	if (c->x.kind == FAKE_COMPLETIONS && c->x.skipped)
		c->x.held_bytes = used;
}

bool
fake_prefill(struct fake_conn *c)
{
	struct fake_exchange *x = &c->x;
	const char *how = x->script.prefill;

	if (!x->request || fake_wants_tool(c))
		return true;
	if (how && strcmp(how, "refuse") == 0 && x->kind == FAKE_CHAT &&
	    begun_chat(x->request)) {
		fake_answer_error(c, 400, "invalid_request_error",
				  "the last message is the assistant's");
		return false;
	}
	if (how && strcmp(how, "continue") != 0)
		return true;
	if (x->script.tokens >= 0) {
		skip_tokens(c);
	} else if (x->text.data) {
		x->off = held(c, x->text.data);
		x->skipped = fake_words(x->text.data) -
			     fake_words(x->text.data + x->off);
		if (x->kind == FAKE_COMPLETIONS)
			x->held_bytes = x->off;
	}
	return true;
}
