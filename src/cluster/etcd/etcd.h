/* A client of etcd (3.4 and later), by its JSON gateway: POST /v3/…, JSON both ways, bytes as base64 in it.
 *
 * For a program with one thread and one loop: each call starts a request and returns; etcd_wait() waits for
 * all of them and for the caller's own descriptors, and calls back. A request is for no endpoint in
 * particular: the client stays with one that works, and goes on to the next when it does not.
 *
 * A request may reach the engine more than once (a connection that was kept alive and has died): callers
 * write by transactions that do nothing the second time.
 *
 * Keys are text. What a callback is given lasts until it returns. */
#pragma once

#include <poll.h>

#include "base/buf.h"
#include "base/diag.h"

enum etcd_result {
	ETCD_OK,
	/* It may have been done, or may yet be, or not: no answer, or one that says nothing else ("request
	 * timed out", "leader changed"). */
	ETCD_UNCERTAIN,
	/* It was not done, nor will be, nor would it be the next time: no permission, too large, no gateway,
	 * another's certificate. */
	ETCD_REFUSED,
	/* The engine has no room ("database space exceeded"). etcd says so as well after a transaction that
	 * it *has* carried out, where the room ended with it: a look at the keys tells, not this. */
	ETCD_FULL,
	ETCD_COMPACTED, /* that revision is no longer there */
	ETCD_NO_LEASE,  /* it has ended, or never was; what was to be put with it was not */
};

struct etcd_kv {
	struct slice key, value;
	uint64_t created, modified; /* revisions */
	uint64_t version;           /* puts since it was created */
	int64_t lease;              /* 0: none */
};

/* What one range found, by key. */
struct etcd_range {
	struct etcd_kv *kvs;
	size_t n;
	bool more;      /* the limit has cut it off */
	uint64_t count; /* how many there are, without the limit */
};

struct etcd_answer {
	enum etcd_result result;
	const char *why; /* in the engine's words, or curl's; NULL: ETCD_OK */
	uint64_t revision;
	bool succeeded;                  /* a transaction: its comparisons were all true */
	const struct etcd_range *ranges; /* of the branch that was taken, in the order of its ranges */
	size_t n_ranges;
	uint64_t deleted; /* keys, by all deletes of that branch */
	int64_t lease;    /* etcd_lease_*() */
	uint64_t ttl_s;
	/* etcd_status() */
	uint64_t db_bytes;
	uint64_t leader; /* 0: it knows none */
	const char *version;
	bool alarm_full; /* etcd_alarms(): a member has raised NOSPACE */
};

struct etcd_options {
	const char *urls; /* with + between them */
	/* NULL: none. The password is the file's first line. */
	const char *ca, *cert, *key, *user, *password_file;
};

struct etcd;
struct etcd_call; /* one that is under way; gone when it has been called back for the last time */

typedef void etcd_done(void *arg, const struct etcd_answer *answer);

/* Nothing is connected yet. The options are copied; the password is read. -EINVAL or why that can't be, with
 * the reason in the diag; -ENOMEM. */
int must_check etcd_new(struct etcd **ret, const struct etcd_options *options, struct diag *diag);
void etcd_free(struct etcd *e); /* NULL is fine. Nothing is called back. Not within a callback */

/* Calls back what has come, or waits until something does, or until something is there for `more` (whose
 * revents are set), or for timeout_ms (-1: for ever). Callbacks are called in here and nowhere else; they may
 * begin and cancel calls. -ENOMEM, or an error of poll(). */
int must_check etcd_wait(struct etcd *e, struct pollfd *more, size_t n, int timeout_ms);

const char *etcd_endpoint(const struct etcd *e); /* that requests go to now; until the next call */
/* From now on requests go to the next endpoint; those under way are left where they are. */
void etcd_move(struct etcd *e);

/* A transaction, or one of its parts: {0} is an empty one; its holder's, for etcd_txn_deinit(). Errors are
 * sticky, as with a buf. It may be sent as often as one likes. */
struct etcd_txn {
	struct buf compare, success, failure;
};
void etcd_txn_deinit(struct etcd_txn *t);
void etcd_txn_if_value(struct etcd_txn *t, const char *key, struct slice value); /* a missing key: false */
void etcd_txn_if_exists(struct etcd_txn *t, const char *key, bool exists);
void etcd_txn_if_modified(struct etcd_txn *t, const char *key, uint64_t revision); /* at it; 0: is missing */
/* Within a branch of it: &t->success or &t->failure. `end`: all keys from `key` up to it, without it; NULL:
 * that key. */
void etcd_txn_put(struct buf *branch, const char *key, struct slice value, int64_t lease); /* 0: none */
void etcd_txn_range(struct buf *branch, const char *key, const char *end, uint64_t limit); /* 0: none */
void etcd_txn_delete(struct buf *branch, const char *key, const char *end);

/* All return the call, or NULL: no memory, and nothing is called back. Else `done` is called once, later,
 * unless the call is cancelled. timeout_ms is from now on, with all endpoints that are tried. */
struct etcd_call *etcd_txn_send(struct etcd *e, const struct etcd_txn *t, unsigned timeout_ms,
				etcd_done *done, void *arg);

struct etcd_find {
	const char *key, *end; /* as above */
	uint64_t limit;        /* 0: none */
	bool keys_only;
	bool descending; /* the last key first */
};
struct etcd_call *etcd_find(struct etcd *e, const struct etcd_find *find, unsigned timeout_ms,
			    etcd_done *done, void *arg);
struct etcd_call *etcd_delete(struct etcd *e, const char *key, const char *end, unsigned timeout_ms,
			      etcd_done *done, void *arg);

struct etcd_call *etcd_lease_grant(struct etcd *e, uint64_t ttl_s, unsigned timeout_ms, etcd_done *done,
				   void *arg);
struct etcd_call *etcd_lease_keep(struct etcd *e, int64_t lease, unsigned timeout_ms, etcd_done *done,
				  void *arg);
struct etcd_call *etcd_lease_revoke(struct etcd *e, int64_t lease, unsigned timeout_ms, etcd_done *done,
				    void *arg);

/* Of the member that is spoken to, even where it has no majority. */
struct etcd_call *etcd_status(struct etcd *e, unsigned timeout_ms, etcd_done *done, void *arg);
struct etcd_call *etcd_alarms(struct etcd *e, unsigned timeout_ms, etcd_done *done, void *arg);

/* Puts (not deletes) to keys from `key` up to `end`, from that revision on (0: from now on). `news` is called
 * again and again; the call ends with the first that is not ETCD_OK: ETCD_UNCERTAIN where the connection has
 * ended, ETCD_COMPACTED. A stream that hangs is not noticed here: see etcd_move(). */
struct etcd_news {
	enum etcd_result result;
	const char *why;
	uint64_t revision; /* the engine's, when it said this */
	const struct etcd_kv
	    *kvs; /* none: the watch has begun, or nothing has happened (every ten minutes) */
	size_t n;
};
typedef void etcd_told(void *arg, const struct etcd_news *news);
struct etcd_call *etcd_watch(struct etcd *e, const char *key, const char *end, uint64_t from, etcd_told *news,
			     void *arg);

/* It is not called back. What the engine has been sent, it may do. NULL is fine. */
void etcd_cancel(struct etcd_call *call);
/* The same, but the answer may come: a connection that is cut off has to be made anew, by TLS at some length.
 * One at a time is let go; further ones are cancelled. */
void etcd_let_go(struct etcd_call *c);
