/* What the board says of the views to those who ask how they are. */
#include <errno.h>

#include "model/views/board_impl.h"

static void explain(const struct board_view *v, struct diag *ret)
{
	auto_buf struct buf text = {0};

	if (v->post.trouble >= BOARD_STALLED) {
		*ret = v->post.why;
	} else if (v->post.trouble == BOARD_WANTING) {
		diag_set(ret, 0, "%s; it is tried again", v->post.waits_for.text);
	} else if (v->holes.n > 0) {
		holes_explain(&v->holes, &text);
		diag_set(ret, 0, "%.*s", (int)text.len, text.data ? text.data : "");
	}
}

static void fill_status(const struct board_view *v, struct view_status *ret)
{
	*ret = (struct view_status){
	    .kind = reducer_host(v->def->kind)->name,
	    .pos = v->pos,
	    .version = v->version,
	    .apart = v->post.apart,
	    .alone = v->post.alone,
	    .broken = v->post.trouble != BOARD_FINE,
	    .waits_for = v->post.waits_for,
	    .holes = v->holes,
	    .folded = v->folded_before + v->folded,
	    .rate = v->rate,
	    .state_bytes = v->state_bytes,
	    .snapshot_time = v->post.snapshot_time,
	    .snapshot_off = v->post.snapshot_off,
	    .changed = v->dates.changed,
	    .defined = v->dates.defined,
	};
	memcpy(ret->name, v->name, sizeof(ret->name));
	memcpy(ret->file, v->def->file, sizeof(ret->file));
	explain(v, &ret->why);
}

int board_status(struct board *b, const char *name, struct view_status *ret)
{
	pthread_mutex_lock(&b->lock);
	struct board_view *v = board_find(b, name);
	if (v) {
		view_sync(b, v);
		fill_status(v, ret);
	}
	board_leave(b);
	return v ? 0 : -ENOENT;
}

int board_list(struct board *b, struct view_status **ret, size_t *ret_n)
{
	pthread_mutex_lock(&b->lock);
	size_t n = b->n_views;
	struct view_status *all = malloc(max(n, (size_t)1) * sizeof(*all));
	for (size_t i = 0; all && i < n; i++) {
		view_sync(b, b->views[i]);
		fill_status(b->views[i], &all[i]);
	}
	board_leave(b);
	if (!all)
		return -ENOMEM;
	*ret = all;
	*ret_n = n;
	return 0;
}
