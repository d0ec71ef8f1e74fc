#include <stdio.h>
#include <string.h>

#include "cluster/command/command.h"
#include "cluster/command/talk.h"
#include "cluster/link/batch.h"
#include "cluster/link/json.h"

struct outcome {
	bool is_held, was_there;
};

static void read_outcome(void *arg, const struct etcd_answer *a)
{
	*(struct outcome *)arg = (struct outcome){.is_held = !a->succeeded, .was_there = a->deleted > 0};
}

static bool is_machine(const char *text)
{
	return is_digits(text, BATCH_MACHINE);
}

/* Only while nobody holds its identity: it would come back at once. */
static int forget(struct talk *t, const char *machine)
{
	struct etcd_txn txn cleanup(etcd_txn_deinit) = {0};
	char member[KEY_MAX], holder[KEY_MAX];
	struct outcome o = {0};

	keys_member(&t->keys, machine, member);
	keys_holder(&t->keys, machine, holder);
	etcd_txn_if_exists(&txn, holder, false);
	etcd_txn_delete(&txn.success, member, NULL);
	if (!talk_txn(t, &txn, read_outcome, &o))
		return 1;
	/* It may have been an earlier try that has done it. */
	if (!o.is_held && (o.was_there || t->repeated)) {
		printf("%s is not waited for any more\n", machine);
		return 0;
	}
	if (o.is_held)
		fprintf(stderr, "eventfold: %s is mounted, or was seconds ago: unmount the log there first\n",
			machine);
	else
		fprintf(stderr, "eventfold: %s has no machine %s; eventfold cluster status lists them\n",
			t->options.log, machine);
	return 1;
}

int command_forget(char **args)
{
	struct talk t;

	if (!is_machine(args[1])) {
		fprintf(stderr,
			"eventfold: a machine's id is %d digits, as eventfold cluster status has it\n",
			BATCH_MACHINE);
		return 1;
	}
	if (!talk_begin(&t, args[0]))
		return 1;
	int r = forget(&t, args[1]);
	talk_end(&t);
	return r;
}
