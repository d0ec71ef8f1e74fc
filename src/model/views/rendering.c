#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "model/views/rendering.h"

struct rendering *rendering_ref(struct rendering *r)
{
	if (r)
		atomic_fetch_add(&r->refs, 1);
	return r;
}

void rendering_unref(struct rendering *r)
{
	if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
		return;
	if (r->map)
		munmap(r->map, r->map_len);
	free(r);
}

/* The worker can't change or shorten a sealed file under us. */
static int map_file(struct rendering *r, int fd, uint64_t size)
{
	const int wanted = F_SEAL_SHRINK | F_SEAL_WRITE, seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & wanted) != wanted || fstat(fd, &st) < 0 || (uint64_t)st.st_size != size ||
	    size == 0)
		return -EBADMSG;
	void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	r->map = map;
	r->map_len = size;
	r->json = (struct slice){map, size};
	return 0;
}

int rendering_of_packet(struct packet *p, struct rendering **ret)
{
	const struct message *m = &p->message;
	bool inside = p->n_fds == 0;

	*ret = NULL;
	if (p->lost_fds)
		return -EMFILE;
	struct rendering *r = calloc(1, sizeof(*r) + (inside ? p->text.len : 0));
	int error = 0;
	if (!r)
		return -ENOMEM;
	r->refs = 1;
	r->pos = m->pos;
	r->version = m->version;
	if (inside) {
		char *text = (char *)(r + 1);
		memcpy(text, p->text.data, p->text.len);
		r->json = (struct slice){text, p->text.len};
	} else {
		error = map_file(r, p->fds[0], m->size);
	}
	if (error == 0 && (r->json.len < 2 || r->json.data[r->json.len - 1] != '\n'))
		error = -EBADMSG;
	if (error < 0)
		rendering_unref(r);
	else
		*ret = r;
	return error;
}
