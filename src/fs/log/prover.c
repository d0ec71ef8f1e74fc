#include "fs/log/prover.h"

#include <errno.h>
#include <stdatomic.h>

#include "store/live_reader.h"

#define CHUNK_BYTES (1u << 20)
#define LAG (4u << 20) /* of history, after which it goes on by itself */

struct prover {
	struct eventlog *log;
	struct disk *disk;
	struct prover_options options;
	struct mailbox box;
	struct mail kick;
	_Atomic bool kicked, ending;
	_Atomic bool wanted, ready; /* somebody has asked; a head has been reached */
	_Atomic uint64_t off;       /* so far is in sha */
	_Atomic int error;

	/* The thread's own. */
	struct live_reader live;
	struct sha256_ctx sha;
	bool begun;
	struct prover_wait *waiting; /* for the head that is on its way */
	struct prover_wait *coming;  /* for one that is not older than they are */
	char *data;
};

static void kick(struct prover *p)
{
	if (!atomic_exchange(&p->kicked, true))
		mailbox_post(&p->box, &p->kick);
}

/* True: somebody wants it to go on. */
static bool take_in(struct prover *p, struct mail *mail)
{
	bool some = mail;

	for (struct mail *next; mail; mail = next) {
		next = mail->next;
		if (mail == &p->kick) {
			p->kicked = false;
			continue;
		}
		struct prover_wait *wait = container_of(mail, struct prover_wait, mail);
		wait->next = p->coming;
		p->coming = wait;
	}
	return some;
}

static void answer_all(struct prover *p, int error, const struct proof *proof)
{
	struct prover_wait *wait;

	while ((wait = p->waiting)) {
		p->waiting = wait->next;
		wait->done(wait, error, proof);
	}
}

/* Those who don't wait any more. */
static void answer_given_up(struct prover_wait **list)
{
	for (struct prover_wait **at = list; *at;) {
		struct prover_wait *wait = *at;
		if (!wait->given_up(wait)) {
			at = &wait->next;
			continue;
		}
		*at = wait->next;
		wait->done(wait, -EINTR, NULL);
	}
}

static int begin(struct prover *p)
{
	struct log_files files;
	uint64_t off;

	if (!p->data)
		p->data = malloc(CHUNK_BYTES);
	if (!p->data)
		return -ENOMEM;
	if (p->begun)
		return 0;
	int r = eventlog_files(p->log, &files);
	if (r < 0)
		return r;
	r = sha_seek(p->disk, files.archive_fd, files.archive_size, &p->sha, &off);
	log_files_deinit(&files);
	p->off = r == 0 ? off : 0;
	p->begun = r == 0;
	return r;
}

/* Where files end, now or by and by, the archive can be told. */
static uint64_t next_end(const struct eventlog_stats *s, uint64_t off, uint64_t target)
{
	uint64_t active = s->head.off - s->active_bytes;

	if (off < s->archived_bytes)
		return min(s->archived_bytes, target);
	return off < active ? min(active, target) : target;
}

static void note(struct prover *p)
{
	struct eventlog_stats s;
	struct record_sha sha;

	eventlog_stats(p->log, &s);
	if (s.proven || p->off == 0 || (p->off != s.archived_bytes && p->off != s.head.off - s.active_bytes))
		return;
	sha_store(&p->sha, &sha);
	eventlog_note_sha(p->log, p->off, &sha);
	p->options.noted(p->options.arg);
}

/* A piece of the way. */
static int go_on(struct prover *p, uint64_t target)
{
	struct eventlog_stats stats;
	uint64_t skip;
	size_t n;

	eventlog_stats(p->log, &stats);
	int r = live_reader_refresh(&p->live);
	if (r == 0)
		r = reader_read(p->live.reader, p->off, next_end(&stats, p->off, target), p->data,
				CHUNK_BYTES, &n, &skip);
	if (r != 0)
		return r > 0 ? -EIO : r;
	sha256_update(&p->sha, n, (const uint8_t *)p->data);
	p->off += n;
	return 0;
}

/* For those who have come. True: somebody has come meanwhile, who is told of no head from before his time. */
static bool prove(struct prover *p)
{
	bool more = false;
	p->waiting = take_ptr(p->coming);
	struct proof proof = {.head = eventlog_head(p->log)};
	int r = begin(p);

	while (r == 0 && p->off < proof.head.off) {
		note(p);
		r = p->ending ? -ESHUTDOWN : go_on(p, proof.head.off);
		more |= take_in(p, mailbox_take_all(&p->box, MAILBOX_NOW));
		answer_given_up(&p->waiting);
		answer_given_up(&p->coming);
	}
	p->error = r;
	if (r == 0) {
		note(p);
		sha_text(&p->sha, proof.sha);
		p->ready = true;
	}
	answer_all(p, r, &proof);
	return more;
}

static void prover_thread(void *arg)
{
	struct prover *p = arg;
	struct mail *mail;

	while ((mail = mailbox_take_all(&p->box, CLOCK_FOREVER))) {
		take_in(p, mail);
		while (prove(p))
			;
	}
}

int prover_start(struct prover **ret, struct eventlog *log, struct disk *disk,
		 const struct prover_options *options)
{
	struct prover *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->log = log;
	p->disk = disk;
	p->options = *options;
	live_reader_init(&p->live, log, disk);
	int r = mailbox_start(&p->box, prover_thread, p);
	if (r < 0) {
		free(p);
		return r;
	}
	*ret = p;
	return 0;
}

void prover_stop(struct prover *p)
{
	if (!p)
		return;
	p->ending = true;
	mailbox_stop(&p->box);
	live_reader_deinit(&p->live);
	free(p->data);
	free(p);
}

void prover_want(struct prover *p, struct prover_wait *wait)
{
	p->wanted = true;
	mailbox_post(&p->box, &wait->mail);
}

void prover_head_moved(struct prover *p)
{
	if (p->wanted && !p->error && eventlog_head(p->log).off > p->off + LAG)
		kick(p);
}

void prover_stats(struct prover *p, struct prover_stats *ret)
{
	*ret = (struct prover_stats){
	    .stage = p->ready    ? PROVER_READY
		     : p->wanted ? PROVER_READING
				 : PROVER_UNUSED,
	    .off = p->off,
	    .error = p->error,
	};
}
