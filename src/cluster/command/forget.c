#include <stdio.h>
#include <string.h>

#include "cluster/command/command.h"
#include "cluster/command/talk.h"
#include "cluster/link/batch.h"

static void read_outcome(void *arg, const struct etcd_answer *a)
{
	*(bool *)arg = a->succeeded;
}

static bool is_machine(const char *text)
{
	return strlen(text) == BATCH_MACHINE && strspn(text, "0123456789abcdef") == BATCH_MACHINE;
}

static int forget(struct talk *t, const char *machine)
{
	struct etcd_txn txn cleanup(etcd_txn_deinit) = {0};
	char key[KEY_MAX];
	bool done = false;

	keys_member(&t->keys, machine, key);
	etcd_txn_if_exists(&txn, key, true);
	etcd_txn_delete(&txn.success, key, NULL);
	if (!talk_txn(t, &txn, read_outcome, &done))
		return 1;
	/* It may have been an earlier try that has done it. */
	if (done || t->repeated) {
		printf("%s is not waited for any more\n", machine);
		return 0;
	}
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
