/* The commands of the program: what `eventfold cluster …` is done by, which has looked at the arguments. They
 * return the exit status. */
#pragma once

#include <stdbool.h>

/* OPTIONS DATA: the log in DATA, which `eventfold` holds meanwhile, gets a name in the engine. `anew`: also
 * where there is one of that name. `looks`: only finds out whether it would. */
int command_begin(char **args, bool anew, bool looks);
/* OPTIONS */
int command_status(char **args);
/* OPTIONS MACHINE */
int command_forget(char **args);
