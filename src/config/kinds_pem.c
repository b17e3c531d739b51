/* SPDX-License-Identifier: MIT */
/*
 * kinds_pem.c - a file with certificates: read when the configuration is, so
 * that no transfer reads it, and a mistake is found before it is in force.
 */
#include "config/internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define PEM_BYTES_MAX (2u << 20) /* the system's are a quarter of a megabyte   \
				  */

static bool
holds_certificate(const struct gw_buf *bytes)
{
	BIO *bio = BIO_new_mem_buf(bytes->data, (int)bytes->len);
	X509 *certificate =
		bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	bool found = certificate != NULL;

	X509_free(certificate);
	BIO_free(bio);
	ERR_clear_error();
	return found;
}

static bool
set_pem(struct gw_apply *ap, const struct gw_option *o,
	const struct gw_yaml_node *v, void *slot)
{
	struct gw_buf path GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(8192);
	struct gw_buf bytes GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1);
	struct gw_pem *pem = slot;
	char why[160];

	if (!gw_apply_text(ap, o, v, (size_t)o->max, true))
		return false;
	if (gw_yaml_full_path(ap->doc, v, v->text, &path) < 0) {
		gw_apply_error(ap, v, "the path is too long");
		return false;
	}
	if (gw_read_file(path.data, &bytes, PEM_BYTES_MAX, why, sizeof(why)) <
	    0) {
		gw_apply_error(ap, v, "file `%s`: %s",
			       gw_yaml_show(v, path.data), why);
		return false;
	}
	gw_yaml_include(ap->doc, path.data, &bytes);
	if (!bytes.len || !holds_certificate(&bytes)) {
		gw_apply_error(ap, v,
			       "file `%s` holds no certificate in PEM "
			       "form",
			       gw_yaml_show(v, path.data));
		return false;
	}
	pem->path = GW_STEAL(path.data);
	pem->len = bytes.len;
	pem->text = GW_STEAL(bytes.data);
	return true;
}

static void
emit_pem(struct gw_emit *e, const struct gw_option *o,
	 const struct gw_yaml_node *source, const void *slot)
{
	const struct gw_pem *pem = slot;

	(void)o;
	(void)source;
	if (pem->path)
		gw_emit_string(e, pem->path, strlen(pem->path));
	else
		gw_emit_plain(e, "null");
}

static void
release_pem(void *slot)
{
	struct gw_pem *pem = slot;

	free(pem->path);
	free(pem->text);
}

const struct gw_kind gw_kind_pem = {
	.wanted = "the path of a file",
	.is_text = true,
	.set = set_pem,
	.emit = emit_pem,
	.release = release_pem,
};
