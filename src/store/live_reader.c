#include "store/live_reader.h"

void live_reader_init(struct live_reader *l, struct eventlog *log, struct disk *disk)
{
	*l = (struct live_reader){.log = log, .disk = disk};
}

void live_reader_deinit(struct live_reader *l)
{
	reader_free(l->reader);
	l->reader = NULL;
}

int live_reader_refresh(struct live_reader *l)
{
	struct log_files files;

	if (l->reader && l->generation == eventlog_generation(l->log))
		return 0;
	int r = eventlog_files(l->log, &files);
	if (r < 0)
		return r;
	uint64_t generation = files.generation;
	r = l->reader ? reader_update(l->reader, &files) : reader_new(&l->reader, l->disk, &files);
	if (r < 0)
		return r;
	l->generation = generation;
	return 0;
}
