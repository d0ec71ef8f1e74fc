/* Within the client: a request from its begin to its answer. */
#pragma once

#include <curl/curl.h>

#include "cluster/etcd/answer.h"
#include "cluster/etcd/urls.h"

enum call_state {
	CALL_TO_START, /* anew, too: elsewhere, or with another token */
	CALL_RUNS,
	CALL_OVER, /* to be freed */
};

struct etcd_call {
	struct etcd *e;
	struct etcd_call *next;
	enum call_state state;
	enum answer_kind kind;
	const char *path;
	bool needs_leader; /* a member that has none says so at once */
	struct buf request, got;
	etcd_done *done;
	etcd_told *told; /* ANSWER_WATCH */
	void *arg;
	uint64_t until_ms; /* clock_ms() */
	unsigned tries;    /* endpoints that could not be reached */
	bool renewed;      /* the token was, for this one */

	/* While it runs. */
	CURL *easy;
	struct curl_slist *headers;
	size_t endpoint;
	unsigned token; /* the number of the one it was sent with */
	bool too_long;
	char error[CURL_ERROR_SIZE];
};

struct etcd {
	CURLM *multi;
	struct endpoints endpoints;
	char *ca, *cert, *key, *user, *password;
	struct etcd_call *calls; /* the newest first */
	CURL *idle[8];           /* to be used again */
	size_t n_idle;
	char *token;       /* NULL: none yet; empty: none is needed */
	unsigned n_tokens; /* that there were so far */
	bool authenticating;
	bool waiting; /* within etcd_wait(): no call is freed */
	bool told;    /* somebody was called back */
};

/* calls.c */

/* Takes the body. It starts with the next calls_start(). NULL: no memory. */
struct etcd_call *call_new(struct etcd *e, enum answer_kind kind, const char *path, struct buf *body,
			   unsigned timeout_ms);
void call_free(struct etcd_call *c);
/* Those that are to start. False: there are none that can. */
bool calls_start(struct etcd *e);
/* What has come of those that run. */
void calls_read(struct etcd *e);
/* Those that wait for a token, which there is none of. */
void calls_fail_waiting(struct etcd *e, const struct answer *a);

/* call_run.c */

/* Negative: it has not begun. */
int must_check call_run(struct etcd_call *c);
/* It runs no more. */
void call_stop(struct etcd_call *c);
/* It has ended, and still has what curl knows of it: has it never left this machine? */
bool call_was_unsent(struct etcd_call *c);
