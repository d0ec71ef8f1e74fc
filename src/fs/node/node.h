/* What the inode numbers of the mount name.
 *
 * A main node's number is fixed by what it names (its kind, and for a view its name), so that it is the
 * same in every life of the daemon. A file may have more nodes than that, each with a page cache, a size
 * and a lock of its own in the kernel: their numbers are of a kind of their own, and lead to the main
 * one's. Who looks the file up gets its main node, unless another was reserved for him (reservation.h);
 * st_ino is the main node's for all.
 *
 * A node that is not fixed lives as long as the kernel knows it (its look-up count) or somebody in here
 * holds it (references).
 *
 * Threads: what the kernel's requests name is looked up, made and forgotten on the fuse thread (but what is
 * found by another is made there); references are taken and given back on any. */
#pragma once

#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

#include "base/limits.h"
#include "base/slice.h"
#include "store/log.h"

enum node_kind {
	NODE_ROOT = 1, /* FUSE_ROOT_ID */
	NODE_EVENTS,
	NODE_EVENTS_APP,
	NODE_HEAD,
	NODE_HEAD_APP,
	NODE_VIEWS,
	NODE_REDUCERS,
	NODE_RULES,
	NODE_STATUS,
	NODE_REJECTED,
	NODE_CTL,
	NODE_TAIL,
	NODE_TAIL_APP,
	NODE_AT,
	NODE_METRICS,
	NODE_IDS,
	NODE_HEAD_SHA,
	NODE_TAIL_HEAD,
	NODE_CLUSTER, /* only where the log is shared */
	NODE_FIXED_END,
	/* one for each view */
	NODE_VIEW_JSON = 32,
	NODE_VIEW_OFFSET,
	NODE_VIEW_HASH,
	NODE_VIEW_SNAPSHOT,
	NODE_VIEW_ERROR,
	NODE_VIEW_END,
	NODE_TAIL_VIEW = NODE_VIEW_END,
	/* one for each place in the log */
	NODE_TAIL_APP_AT,   /* tail/app@OFFSET, tail/app@OFFSET:HASH */
	NODE_EVENTS_APP_AT, /* events/app@CONDITION[,CONDITION] */
	/* one for each number of events */
	NODE_AT_N,    /* at/N */
	NODE_AT_LINK, /* at/TIME; named by the N that it leads to */
	NODE_AT_APP,  /* at/N/app; named "N" as well */
	NODE_AT_VIEW, /* at/N/NAME.json; named "N/NAME" */
	/* one for each event that was looked up by its id */
	NODE_ID, /* ids/ID; named by where its line begins and ends: "OFFSET-OFFSET" */
	/* one for each machine of a shared log */
	NODE_MEMBER, /* cluster/MACHINE */
	NODE_KINDS,
};

/* Longest name of a node that is not fixed: a number, a slash and a view's name. */
#define NODE_NAME (LIMIT_NAME + 21)

struct file;

struct node {
	uint64_t ino;
	enum node_kind kind;
	char name[NODE_NAME + 1]; /* of which view; of the others that are not fixed, its own */
	struct node *main;        /* of the same file, with a reference; NULL: it is that itself */
	/* Under the nodes' lock. */
	uint64_t lookups; /* the kernel's references */
	unsigned refs;    /* and ours */
	uint64_t offer;   /* it is one that was offered, the so many-th, and has not been opened; 0: not so */
	struct node *next_offer, **prev_offer;
	pid_t last_writer; /* the thread that opened or wrote last, of those that write; of main nodes. fuse
			      thread */
	_Atomic uint64_t tellings; /* so often was its size told by its name; of main nodes */
	struct file *files;        /* open ones, newest first; under the mount's lock */
	struct file *writers; /* those of all the file's nodes that are open for writing; of main nodes, under
				 the same */
	struct timespec changed; /* under the mount's lock, of main nodes: as was told last */
	/* Under the mount's lock (held.h): how long the text was that is left in the page cache by files
	 * that are closed; 0: none. */
	uint64_t left;
	bool left_listed;
	struct node *next_left;
};

struct nodes {
	struct node fixed[NODE_FIXED_END];
	pthread_mutex_t lock;
	void *named;                          /* tsearch() tree of struct node, by ino */
	uint16_t serial;                      /* of the last node that is not a main one */
	uint64_t offers;                      /* up to now */
	struct node *offered, **last_offered; /* in their order */
	bool ending;                          /* none is freed any more, but all at once */
};

void nodes_init(struct nodes *t);
void nodes_deinit(struct nodes *t);

/* The node with this number; a number that is no main node's and that is not known is its file's main
 * node. NULL: the kernel should not know it. */
struct node *nodes_find(struct nodes *t, uint64_t ino);
/* The node of a kind, for one more look-up of the kernel's; NULL: no memory. `name` is for the kinds that
 * are not fixed: NODE_NAME bytes at most. */
struct node *nodes_get(struct nodes *t, enum node_kind kind, struct slice name);
/* Another node of the same file, with a reference; NULL: no memory, or there are too many. */
struct node *nodes_another(struct nodes *t, struct node *main);
/* The same, for a look-up of the kernel's that has not been told to come again, and with that counted. Who
 * looks the name up next, be it the same thread, gets another one; so whatever finds this node by the name
 * other than to open it (a watch, a mount) has it for itself, and nobody opens it. */
struct node *nodes_offer(struct nodes *t, struct node *main);
/* It is opened. */
void nodes_opened(struct nodes *t, struct node *node);
/* The next one behind `offer` that was offered, that the kernel still knows and that nobody has opened, with
 * a reference; NULL: there is none. *ret_offer: which one it is. */
struct node *nodes_next_offered(struct nodes *t, uint64_t offer, uint64_t *ret_offer);
/* Up to which one there are such; 0: there are none. */
uint64_t nodes_offered(struct nodes *t);
/* One more look-up of the kernel's. */
void nodes_look(struct nodes *t, struct node *node);
/* References. Any thread; NULL is fine. */
struct node *nodes_ref(struct nodes *t, struct node *node);
void nodes_unref(struct nodes *t, struct node *node);

/* "app@OFFSET": the offset. */
bool node_parse_offset(const char *name, uint64_t *ret_off);
/* "N", or "N/NAME": the number, and behind the slash the view's name (else NULL). */
bool node_parse_at(const char *name, uint64_t *ret_seq, const char **ret_view);
/* What stands behind the '@' of events/app@…: on what conditions it appends. */
struct node_conditions {
	bool at_head; /* only if the log's head is still `head` (off and hash): "OFFSET:HASH", as head/app
			 says it */
	bool once;    /* only what has a new id: "once" */
	struct log_pos head;
};
/* "app@OFFSET:HASH": the head. */
bool node_parse_head(const char *name, struct log_pos *ret_head);
/* "app@CONDITION[,CONDITION]", each at most once. */
bool node_parse_conditions(const char *name, struct node_conditions *ret);

/* From here to nodes_deinit() no node is freed. */
void nodes_end(struct nodes *t);
/* Calls `each` for every node that there is. */
void nodes_each(struct nodes *t, void (*each)(struct node *node));
void nodes_forget(struct nodes *t, uint64_t ino, uint64_t lookups);

/* "NAME.json" and so on: the kind and the view's name, or 0 where a name is none of these. */
enum node_kind node_parse_view(const char *name, struct slice *ret_view);
/* The number of a kind's node, known to the kernel or not. */
uint64_t node_ino(enum node_kind kind, struct slice name);
/* The ending of a view's file: ".json". */
const char *node_suffix(enum node_kind kind);

/* The one that the file's number and times are those of. */
static inline const struct node *node_main(const struct node *node)
{
	return node->main ? node->main : node;
}

mode_t node_mode(enum node_kind kind);
