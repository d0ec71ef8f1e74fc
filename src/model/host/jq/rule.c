#include "model/host/rule.h"

#include <errno.h>

#include "model/host/jq/load.h"
#include "model/host/jq/state.h"

struct rule {
	struct jq_program program;
	/* Of the view whose state that program has as its own, since it is run in another way. 0: none was
	 * read. */
	uint64_t version;
};

int rule_load(struct rule **ret, struct slice program, struct diag *diag)
{
	struct rule *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	int err = jq_program_load(&r->program, program, true, diag);
	if (err)
		free(r);
	else
		*ret = r;
	return err;
}

/* Where it can't be shared. */
static int must_check read_state(struct rule *r, struct reducer *view, uint64_t version, struct diag *why)
{
	auto_buf struct buf text = {0};

	if (version == r->version)
		return 0;
	r->version = 0;
	int err = view->class->write(view, &text, why);
	if (!err)
		err = buf_error(&text);
	if (!err)
		err = r->program.compiled ? compiled_read(r->program.compiled, buf_slice(&text), why)
					  : plain_read(r->program.plain, buf_slice(&text), why);
	if (!err)
		r->version = version;
	return err;
}

static int ask_compiled(struct rule *r, struct reducer *view, uint64_t version, struct event *ev,
			struct diag *why)
{
	struct val in;

	if (!view || !reducer_jq_val(view, &in)) {
		int err = view ? read_state(r, view, version, why) : 0;
		if (err)
			return err;
		in = val_copy(*compiled_state(r->program.compiled));
	}
	return compiled_ask(r->program.compiled, in, ev, why);
}

static int ask_plain(struct rule *r, struct reducer *view, uint64_t version, struct event *ev,
		     struct diag *why)
{
	jv in;

	if (!view || !reducer_jq_jv(view, &in)) {
		int err = view ? read_state(r, view, version, why) : 0;
		if (err)
			return err;
		in = jv_copy(*plain_state(r->program.plain));
	}
	return plain_ask(r->program.plain, in, ev, why);
}

int rule_ask(struct rule *r, struct reducer *view, uint64_t version, struct event *ev, struct diag *why)
{
	why->text[0] = '\0';
	int answer = r->program.compiled ? ask_compiled(r, view, version, ev, why)
					 : ask_plain(r, view, version, ev, why);
	if (ev->no_memory)
		return diag_set(why, -ENOMEM, "out of memory");
	if (answer == -ENOMEM && !why->text[0])
		diag_set(why, 0, "out of memory");
	return answer;
}

void rule_free(struct rule *r)
{
	if (!r)
		return;
	jq_program_free(&r->program);
	free(r);
}
