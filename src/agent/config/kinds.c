/* SPDX-License-Identifier: MIT */
/*
 * kinds.c - roles, devices and `meta`: values that only a node agent's
 * configuration has. What they mean together is check.c's business.
 */
#include "agent/config/internal.h"

#include <stdlib.h>
#include <string.h>

#include "agent/device/device.h"
#include "nodes/node_doc.h"

/* Lists of names */

static void
emit_names(struct gw_emit *e, const struct gw_option *o,
	   const struct gw_yaml_node *source, const void *slot)
{
	gw_kind_tokens.emit(e, o, source, slot);
}

static void
release_names(void *slot)
{
	gw_kind_tokens.release(slot);
}

static bool
too_many(struct gw_apply *ap, const struct gw_yaml_node *v, size_t max)
{
	if (v->kind != GW_YAML_LIST || v->n <= max)
		return false;
	gw_apply_error(ap, v, "at most %zu are possible, not %zu", max, v->n);
	return true;
}

/* All elements of @v are in @keys: the n-th name is the n-th element. */
static bool
no_name_twice(struct gw_apply *ap, const struct gw_yaml_node *v,
	      const struct gw_keys *keys)
{
	bool good = true;

	for (size_t i = 0; i < keys->n; i++)
		for (size_t k = 0; k < i; k++) {
			const struct gw_yaml_node *at = v->child[i].value;

			if (strcmp(keys->key[i], keys->key[k]) != 0)
				continue;
			gw_apply_error(ap, at, "`%s` stands there twice",
				       gw_yaml_show(at, keys->key[i]));
			good = false;
			break;
		}
	return good;
}

static bool
check_role(struct gw_apply *ap, const struct gw_option *o,
	   const struct gw_yaml_node *v)
{
	return gw_apply_text(ap, o, v, (size_t)o->max, true);
}

static bool
set_roles(struct gw_apply *ap, const struct gw_option *o,
	  const struct gw_yaml_node *v, void *slot)
{
	return !too_many(ap, v, GW_NODE_ROLES_MAX) &&
	       gw_apply_strings(ap, o, v, slot, check_role) &&
	       no_name_twice(ap, v, slot);
}

const struct gw_kind ag_kind_roles = {
	.wanted = "a list of strings",
	.set = set_roles,
	.emit = emit_names,
	.release = release_names,
};

/* Devices */

static bool
check_device(struct gw_apply *ap, const struct gw_option *o,
	     const struct gw_yaml_node *v)
{
	struct gw_err err = {0};

	if (!gw_apply_text(ap, o, v, (size_t)o->max, false))
		return false;
	if (ag_device_check_name(v->text, NULL, &err) == 0)
		return true;
	gw_apply_error(ap, v, "%s", err.msg);
	return false;
}

static bool
set_device_names(struct gw_apply *ap, const struct gw_option *o,
		 const struct gw_yaml_node *v, void *slot)
{
	return !too_many(ap, v, AG_DEVICES_MAX) &&
	       gw_apply_strings(ap, o, v, slot, check_device) &&
	       no_name_twice(ap, v, slot);
}

const struct gw_kind ag_kind_device_names = {
	.wanted = "a list of devices",
	.set = set_device_names,
	.emit = emit_names,
	.release = release_names,
};

/* `auto` is the empty list. */
static bool
set_devices(struct gw_apply *ap, const struct gw_option *o,
	    const struct gw_yaml_node *v, void *slot)
{
	const struct gw_keys *keys = slot;
	struct gw_err err = {0};
	size_t at = 0;

	if (v->kind == GW_YAML_STRING && strcmp(v->text, "auto") == 0)
		return true;
	if (v->kind != GW_YAML_LIST)
		return gw_apply_wrong_type(ap, o, v, o->kind->wanted);
	if (!v->n) {
		gw_apply_error(ap, v,
			       "name at least one device, or write `auto`");
		return false;
	}
	if (!set_device_names(ap, o, v, slot))
		return false;
	if (ag_device_check_list(keys, &at, &err) == 0)
		return true;
	gw_apply_error(ap, at < v->n ? v->child[at].value : v, "%s", err.msg);
	return false;
}

static void
emit_devices(struct gw_emit *e, const struct gw_option *o,
	     const struct gw_yaml_node *source, const void *slot)
{
	const struct gw_keys *keys = slot;

	if (keys->n)
		gw_kind_tokens.emit(e, o, source, slot);
	else
		gw_emit_plain(e, "auto");
}

const struct gw_kind ag_kind_devices = {
	.wanted = "`auto` or a list such as [\"gpu:0\", \"gpu:1,2\", "
		  "\"cpu:0\"]",
	.set = set_devices,
	.emit = emit_devices,
	.release = release_names,
};

/* `meta` is told to the gateway: JSON of a bounded length. */

static struct ag_model_config *
model_of_meta(void *slot)
{
	return (struct ag_model_config *)((char *)slot -
					  offsetof(struct ag_model_config,
						   meta));
}

static bool
set_meta(struct gw_apply *ap, const struct gw_option *o,
	 const struct gw_yaml_node *v, void *slot)
{
	struct gw_buf json GW_CLEANUP(gw_buf_release) =
		GW_BUF_INIT(GW_NODE_META_MAX);
	size_t errors = ap->doc->diag->errors;

	if (!gw_kind_tree.set(ap, o, v, slot))
		return false;
	if (gw_tree_json(ap, v, &json) < 0) {
		gw_apply_error(ap, v, "is at most %d bytes as JSON",
			       GW_NODE_META_MAX);
		return false;
	}
	model_of_meta(slot)->meta_json = GW_STEAL(json.data);
	return ap->doc->diag->errors == errors;
}

static void
emit_meta(struct gw_emit *e, const struct gw_option *o,
	  const struct gw_yaml_node *source, const void *slot)
{
	gw_kind_tree.emit(e, o, source, slot);
}

static void
release_meta(void *slot)
{
	free(model_of_meta(slot)->meta_json);
}

const struct gw_kind ag_kind_meta = {
	.wanted = "a mapping",
	.set = set_meta,
	.emit = emit_meta,
	.release = release_meta,
};
