/* A jq program as libjq runs it, whatever it is: compiled, started with the state, its first output taken. This is what jq reducers
 * mean; compiled.h is the same, quicker. The functions are those of struct reducer_class. */
#pragma once

#include "base/buf.h"
#include "base/diag.h"
#include "model/event.h"

struct plain;

int must_check plain_new(struct plain **ret, struct slice program, struct diag *diag);
int plain_fold(struct plain *p, struct event *ev, struct diag *diag);
int plain_write(struct plain *p, struct buf *out, struct diag *diag);
int plain_read(struct plain *p, struct slice json, struct diag *diag);
void plain_free(struct plain *p);
