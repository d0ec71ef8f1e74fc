/* A jq program as eventfold runs it itself: the state is changed in place. The functions are those of struct
 * reducer_class. */
#pragma once

#include "base/buf.h"
#include "base/diag.h"
#include "model/event/event.h"
#include "model/host/jq/code.h"

struct compiled;

/* Takes over the program, whatever comes of it. */
int must_check compiled_new(struct compiled **ret, struct program *program);
int compiled_fold(struct compiled *c, struct event *ev, struct diag *diag);
int compiled_write(struct compiled *c, struct buf *out, struct diag *diag);
int compiled_read(struct compiled *c, struct slice json, struct diag *diag);
void compiled_save(struct compiled *c);
void compiled_restore(struct compiled *c);
void compiled_forget(struct compiled *c);
/* Borrowed. */
const struct val *compiled_state(const struct compiled *c);
/* Shows it `in` (consumed) and looks at all its outputs, as a rule: see rule.h. Its own state is left alone.
 */
int compiled_ask(struct compiled *c, struct val in, struct event *ev, struct diag *why);
void compiled_free(struct compiled *c);
