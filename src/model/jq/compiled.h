/* A jq program as eventfold runs it itself: the state is changed in place. The functions are those of struct reducer_class. */
#pragma once

#include "base/buf.h"
#include "base/diag.h"
#include "model/event.h"
#include "model/jq/code.h"

struct compiled;

/* Takes over the program, whatever comes of it. */
int must_check compiled_new(struct compiled **ret, struct program *program);
int compiled_fold(struct compiled *c, struct event *ev, struct diag *diag);
int compiled_write(struct compiled *c, struct buf *out, struct diag *diag);
int compiled_read(struct compiled *c, struct slice json, struct diag *diag);
void compiled_free(struct compiled *c);
