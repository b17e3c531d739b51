/* SPDX-License-Identifier: MIT */
/*
 * document_data.c - whole answers that hold data instead of generated text:
 * embeddings, rankings, token counts, the list of models.
 */
#include "fake.h"

#include <string.h>

#define EMBEDDING_DIMS 8

struct json_object *
fake_count_tokens(struct fake_conn *c)
{
	struct json_object *o = json_object_new_object();

	gw_json_set_int(o, "input_tokens", fake_words(fake_said(c)));
	return o;
}

/* Multiples of 1/8 print exactly and survive float32. */
static struct json_object *
embedding_vector(bool base64)
{
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(256);
	struct json_object *list = NULL;
	float v[EMBEDDING_DIMS];

	for (int i = 0; i < EMBEDDING_DIMS; i++)
		v[i] = (float)(i + 1) / 8;
	if (base64) {
		fake_base64((const unsigned char *)v, sizeof(v), &text);
		return json_object_new_string(text.data);
	}
	list = json_object_new_array();
	for (int i = 0; i < EMBEDDING_DIMS; i++)
		json_object_array_add(list,
				      json_object_new_double((double)v[i]));
	return list;
}

struct json_object *
fake_embeddings(struct fake_conn *c)
{
	struct json_object *o = fake_json(
		"{'model':'','object':'list','usage':{'prompt_tokens':0,"
		"'total_tokens':0},'data':[]}");
	struct json_object *input = NULL, *row;
	const char *format =
		c->x.request ? gw_json_get_str(c->x.request, "encoding_format")
			     : NULL;
	size_t n = 1;

	gw_json_set_str(o, "model", fake_model(c));
	if (c->x.request &&
	    json_object_object_get_ex(c->x.request, "input", &input) &&
	    json_object_is_type(input, json_type_array))
		n = json_object_array_length(input);
	for (size_t i = 0; i < n; i++) {
		row = json_object_new_object();
		json_object_object_add(
			row, "embedding",
			embedding_vector(format &&
					 strcmp(format, "base64") == 0));
		gw_json_set_int(row, "index", (int64_t)i);
		gw_json_set_str(row, "object", "embedding");
		json_object_array_add(json_object_object_get(o, "data"), row);
	}
	return o;
}

struct json_object *
fake_rerank(struct fake_conn *c)
{
	struct json_object *o = fake_json(
		"{'model':'','object':'list','usage':{'prompt_tokens':0,"
		"'total_tokens':0},'results':[]}");
	struct json_object *documents = NULL, *row;
	size_t n = 0;

	gw_json_set_str(o, "model", fake_model(c));
	if (c->x.request &&
	    json_object_object_get_ex(c->x.request, "documents", &documents) &&
	    json_object_is_type(documents, json_type_array))
		n = json_object_array_length(documents);
	for (size_t i = 0; i < n; i++) {
		row = json_object_new_object();
		gw_json_set_int(row, "index", (int64_t)i);
		json_object_object_add(row, "relevance_score",
				       json_object_new_double(0.5));
		json_object_array_add(json_object_object_get(o, "results"),
				      row);
	}
	return o;
}

struct json_object *
fake_models(struct fake_conn *c)
{
	const struct fake_options *opt = &c->srv->opt;
	struct json_object *o = fake_json("{'object':'list','data':[]}"), *row;

	for (size_t i = 0; i < opt->n_models; i++) {
		row = fake_json("{'id':'','aliases':[],'tags':[],'object':"
				"'model','created':0,'owned_by':'llamacpp',"
				"'meta':{'n_ctx':4096,'n_params':1}}");
		gw_json_set_str(row, "id", opt->models[i]);
		gw_json_set_int(row, "created", c->srv->created_s);
		json_object_array_add(json_object_object_get(o, "data"), row);
	}
	return o;
}
