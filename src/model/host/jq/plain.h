/* A jq program as libjq runs it, whatever it is: compiled, started with the state, its first output taken.
 * This is what jq reducers mean; compiled.h is the same, quicker. The functions are those of struct
 * reducer_class. */
#pragma once

#include <jv.h>

#include "base/buf.h"
#include "base/diag.h"
#include "model/event/event.h"

struct plain;

/* `rule`: plain_ask() it. In a rule `error` of null is an error, which nothing can tell from `empty` in
 * libjq 1.6. */
int must_check plain_new(struct plain **ret, struct slice program, bool rule, struct diag *diag);
int plain_fold(struct plain *p, struct event *ev, struct diag *diag);
int plain_write(struct plain *p, struct buf *out, struct diag *diag);
int plain_read(struct plain *p, struct slice json, struct diag *diag);
void plain_save(struct plain *p);
void plain_restore(struct plain *p);
void plain_forget(struct plain *p);
/* Borrowed. */
const jv *plain_state(const struct plain *p);
/* As compiled_ask(). */
int plain_ask(struct plain *p, jv in, struct event *ev, struct diag *why);
void plain_free(struct plain *p);
