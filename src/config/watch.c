/* SPDX-License-Identifier: MIT */
/*
 * watch.c - polls the configuration's files and loads what changed.
 *
 * Two states: idle (a look every 0.5 s) and settling (every 0.1 s until nothing
 * moved and no file is missing). Owns its timer and the list of files; the
 * snapshot goes to the callback. Must not log: the callback knows the words.
 */
#include "config/watch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/internal.h"

#define IDLE_S 0.5
#define SETTLING_S 0.1
/* A writer that never pauses must not put a reload off for ever. */
#define SETTLING_ROUNDS_MAX 20
/* Editors unlink and rename: for a second, missing is not broken. */
#define MISSING_ROUNDS_MAX 10

struct signature {
	bool present;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtim, ctim;
};

struct watched {
	char *path;
	struct signature seen;
};

struct gw_config_watch {
	struct ev_loop *loop;
	ev_timer timer;
	gw_config_changed_fn *changed;
	void *arg;
	const char *paths[GW_CONFIG_FILES_MAX]; /* the first of files */
	size_t n_paths;
	struct watched files[GW_CONFIG_FILES_MAX + GW_CONFIG_INCLUDED_MAX];
	size_t n_files;
	uint64_t reported; /* fingerprint that the callee knows */
	unsigned rounds;   /* of settling; 0 = idle */
};

static struct signature
look(const char *path)
{
	struct signature s = {0};
	struct stat st;

	/* Through symlinks: swapping one is an edit. */
	if (stat(path, &st) < 0)
		return s;
	s.present = true;
	s.dev = st.st_dev;
	s.ino = st.st_ino;
	s.size = st.st_size;
	s.mtim = st.st_mtim;
	s.ctim = st.st_ctim;
	return s;
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool
same(const struct signature *a, const struct signature *b)
{
	return a->present == b->present && a->dev == b->dev &&
	       a->ino == b->ino && a->size == b->size &&
	       same_time(&a->mtim, &b->mtim) && same_time(&a->ctim, &b->ctim);
}

/* Look at every file; says whether one changed and whether one is missing. */
static bool
look_at_all(struct gw_config_watch *w, bool *missing)
{
	bool changed = false;

	*missing = false;
	for (size_t i = 0; i < w->n_files; i++) {
		struct signature now = look(w->files[i].path);

		if (!same(&now, &w->files[i].seen))
			changed = true;
		if (!now.present)
			*missing = true;
		w->files[i].seen = now;
	}
	return changed;
}

static bool
is_watched(const struct gw_config_watch *w, const char *path)
{
	for (size_t i = 0; i < w->n_files; i++)
		if (strcmp(w->files[i].path, path) == 0)
			return true;
	return false;
}

/* A new file has no signature yet: the next look loads once more and is safe
 * against an edit in between. */
static bool
add_file(struct gw_config_watch *w, const char *path)
{
	char *copy = strdup(path);

	if (!copy)
		return false;
	w->files[w->n_files++] = (struct watched){.path = copy};
	return true;
}

static bool
is_included(const struct gw_yaml *doc, const char *path)
{
	for (size_t i = 0; i < doc->n_included; i++)
		if (strcmp(doc->included[i], path) == 0)
			return true;
	return false;
}

/* Follow the files that this version takes in by ${file:}. */
static void
follow(struct gw_config_watch *w, const struct gw_config *c)
{
	const struct gw_config_internal *in = c->internal;
	size_t kept = w->n_paths;

	for (size_t i = w->n_paths; i < w->n_files; i++) {
		if (is_included(&in->doc, w->files[i].path))
			w->files[kept++] = w->files[i];
		else
			free(w->files[i].path);
	}
	w->n_files = kept;
	for (size_t i = 0; i < in->doc.n_included; i++)
		if (!is_watched(w, in->doc.included[i]))
			add_file(w, in->doc.included[i]);
}

/* The files as they are now; NULL when they are broken. */
static struct gw_config *
load(struct gw_config_watch *w, struct gw_diag *diag, uint64_t *fingerprint)
{
	struct gw_config *fresh =
		gw_config_load_version(w->paths, w->n_paths, diag, fingerprint);

	if (fresh)
		follow(w, fresh);
	return fresh;
}

static void
report(struct gw_config_watch *w)
{
	struct gw_diag diag GW_CLEANUP(gw_diag_release) = {0};
	uint64_t fingerprint;
	struct gw_config *fresh = load(w, &diag, &fingerprint);

	if (fingerprint == w->reported) {
		gw_config_unref(fresh);
		return;
	}
	w->reported = fingerprint;
	w->changed(fresh, &diag, fingerprint, w->arg);
}

static void
next_look(struct gw_config_watch *w, double seconds)
{
	/* The loop counts active watchers; this one is not to count. */
	ev_ref(w->loop);
	w->timer.repeat = seconds;
	ev_timer_again(w->loop, &w->timer);
	ev_unref(w->loop);
}

static void
on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct gw_config_watch *w = timer->data;
	bool missing, changed = look_at_all(w, &missing);

	(void)loop;
	(void)events;
	if (!w->rounds) {
		if (!changed)
			return;
		w->rounds = 1;
		next_look(w, SETTLING_S);
		return;
	}
	if ((changed && w->rounds < SETTLING_ROUNDS_MAX) ||
	    (missing && w->rounds < MISSING_ROUNDS_MAX)) {
		w->rounds++;
		return;
	}
	w->rounds = 0;
	next_look(w, IDLE_S);
	report(w);
}

struct gw_config_watch *
gw_config_watch_new(struct ev_loop *loop, const char *const *paths, size_t n,
		    gw_config_changed_fn *changed, void *arg)
{
	struct gw_config_watch *w = calloc(1, sizeof(*w));
	struct gw_diag diag = {0};
	bool missing;

	if (!w)
		return NULL;
	w->loop = loop;
	w->changed = changed;
	w->arg = arg;
	ev_timer_init(&w->timer, on_timer, IDLE_S, IDLE_S);
	w->timer.data = w;
	for (size_t i = 0; i < n && i < GW_CONFIG_FILES_MAX; i++) {
		if (!add_file(w, paths[i]))
			goto fail;
		w->paths[i] = w->files[i].path;
		w->n_paths++;
	}
	/* Look first: an edit while loading then shows at the next look. */
	look_at_all(w, &missing);
	gw_config_unref(load(w, &diag, &w->reported));
	gw_diag_release(&diag);
	ev_timer_start(loop, &w->timer);
	ev_unref(loop);
	return w;
fail:
	gw_config_watch_free(w);
	return NULL;
}

void
gw_config_watch_since(struct gw_config_watch *w, uint64_t fingerprint)
{
	if (w->reported == fingerprint)
		return;
	w->reported = fingerprint;
	w->rounds = 1;
	next_look(w, SETTLING_S);
}

void
gw_config_watch_free(struct gw_config_watch *w)
{
	if (!w)
		return;
	if (ev_is_active(&w->timer)) {
		ev_ref(w->loop);
		ev_timer_stop(w->loop, &w->timer);
	}
	for (size_t i = 0; i < w->n_files; i++)
		free(w->files[i].path);
	free(w);
}
