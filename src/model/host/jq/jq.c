/* jq reducers: how each is run is decided when it is loaded. */
#include "model/host/reducer.h"

#include <errno.h>

#include "model/host/jq/decide.h"
#include "model/host/jq/libjq.h"
#include "model/host/jq/load.h"
#include "model/host/jq/state.h"

struct reducer_jq {
	struct reducer base;
	struct jq_program program;
};

static struct reducer_jq *of(struct reducer *base)
{
	return container_of(base, struct reducer_jq, base);
}

static int jq_fold(struct reducer *base, struct event *ev, struct diag *diag)
{
	struct reducer_jq *r = of(base);

	return r->program.compiled ? compiled_fold(r->program.compiled, ev, diag)
				   : plain_fold(r->program.plain, ev, diag);
}

static int jq_write(struct reducer *base, struct buf *out, struct diag *diag)
{
	struct reducer_jq *r = of(base);

	return r->program.compiled ? compiled_write(r->program.compiled, out, diag)
				   : plain_write(r->program.plain, out, diag);
}

static int jq_read(struct reducer *base, struct slice json, struct diag *diag)
{
	struct reducer_jq *r = of(base);

	return r->program.compiled ? compiled_read(r->program.compiled, json, diag)
				   : plain_read(r->program.plain, json, diag);
}

static void jq_free(struct reducer *base)
{
	struct reducer_jq *r = of(base);

	jq_program_free(&r->program);
	free(r);
}

static int jq_save(struct reducer *base, struct diag *diag)
{
	struct reducer_jq *r = of(base);

	if (r->program.compiled)
		compiled_save(r->program.compiled);
	else
		plain_save(r->program.plain);
	return 0;
}

static int jq_restore(struct reducer *base, struct diag *diag)
{
	struct reducer_jq *r = of(base);

	if (r->program.compiled)
		compiled_restore(r->program.compiled);
	else
		plain_restore(r->program.plain);
	return 0;
}

static void jq_forget(struct reducer *base)
{
	struct reducer_jq *r = of(base);

	if (r->program.compiled)
		compiled_forget(r->program.compiled);
	else
		plain_forget(r->program.plain);
}

static const struct reducer_class jq_class = {
    .kind = "jq",
    .fold = jq_fold,
    .write = jq_write,
    .read = jq_read,
    .save = jq_save,
    .restore = jq_restore,
    .forget = jq_forget,
    .free = jq_free,
};

bool reducer_jq_val(struct reducer *base, struct val *ret)
{
	if (base->class != &jq_class || !of(base)->program.compiled)
		return false;
	*ret = val_copy(*compiled_state(of(base)->program.compiled));
	return true;
}

bool reducer_jq_jv(struct reducer *base, jv *ret)
{
	if (base->class != &jq_class || !of(base)->program.plain)
		return false;
	*ret = jv_copy(*plain_state(of(base)->program.plain));
	return true;
}

int reducer_load_jq(struct reducer **ret, struct slice program, struct diag *diag)
{
	struct reducer_jq *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->base.class = &jq_class;
	int err = jq_program_load(&r->program, program, false, diag);
	if (err)
		free(r);
	else
		*ret = &r->base;
	return err;
}

const char *reducer_version_jq(void)
{
	return libjq_version();
}

int reducer_explain_jq(struct slice program, struct buf *out, struct diag *diag)
{
	struct loading *l = malloc(sizeof(*l));

	if (!l)
		return -ENOMEM;
	int err = loading_take(l, program, false, diag);
	if (!err && l->why)
		err = libjq_check(program, diag);
	if (!err)
		decide_explain(&l->program, l->why, out);
	loading_deinit(l);
	free(l);
	return err;
}
