/* The texts that open files hold.
 *
 * A read(2) gets the file's text, and a fresh one at offset 0. What else reads (sendfile, splice,
 * copy_file_range, mappings) goes through the kernel's page cache, which belongs to the node. So:
 *
 * 1. All files that are open on one node fill its page cache with the same text (file.cached), from the
 *    open to the end.
 * 2. Where a file would open on a node with another text than that, it gets a node of its own
 *    (reservation.h). Where the kernel would not look for it, what it reads through the cache is what the
 *    others have.
 * 3. While somebody may read through the cache, a node's size is told no shorter than that text: the
 *    kernel cuts off the rest.
 * 4. Nor after that, until the cache has been dropped, by an open: what sendfile has given to a socket are
 *    its pages, and of the last one that is left the kernel makes zeros what lies beyond the new end. (A
 *    notice to invalidate would do it, too, but makes the kernel believe no size that was told just
 *    before.)
 *
 * Any thread, no lock held. */
#pragma once

#include "fs/node/file.h"

/* The file is about to be open, with this text. -ESTALE: the open is to be answered with that. */
int must_check held_open(struct file *f, struct text *text);
/* On the fuse thread, before it is told: the thread (tid) is told the node's size by its name. Whoever else
 * is about to open it can't rely on what he is told there. */
void held_told(struct mount *m, struct node *node, pid_t tid);
/* May the file's opener be told ESTALE, and get another node than the one that it has asked for? */
bool held_may_ask_again(const struct file *f);

/* The text that is asked for by who asks for the node's size: the thread has it open, or it is a node with
 * nobody else on it. With a reference; NULL: none. */
struct text *held_by(struct mount *m, struct node *node, pid_t tid);
/* The text that this file holds, with a reference; NULL: none, it is no such file. */
struct text *held_in(struct file *f);
/* Under the lock: the file is closed. */
void held_closed(struct file *f);
/* On the raise thread: has the kernel drop what closed files have left in the page cache of mount.left. */
void held_drop(struct mount *m);
/* The size to tell of the node where what was asked for has this one. */
uint64_t held_size(struct mount *m, const struct node *node, uint64_t size);
/* The same, to who has it open: his open has emptied the cache. */
uint64_t held_own_size(struct mount *m, const struct node *node, uint64_t size);
/* The size that is told of a text at a look-up, which makes none (reply.h). */
uint64_t held_size_hint(struct mount *m, struct node *node);
