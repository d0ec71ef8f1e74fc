/* The commands of the program: what `eventfold cluster …` is done by, which has looked at the arguments. They
 * return the exit status. */
#pragma once

enum begin_how {
	BEGIN,
	BEGIN_ANEW, /* also where there is one of that name */
	MAY_BEGIN,  /* only finds out whether it would */
	MAY_BEGIN_ANEW,
};
/* OPTIONS DATA: the log in DATA, which `eventfold` holds meanwhile, gets a name in the engine. */
int command_begin(char **args, enum begin_how how);
/* OPTIONS */
int command_status(char **args);
/* OPTIONS MACHINE */
int command_forget(char **args);
