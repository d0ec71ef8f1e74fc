/* Sets nothing at all. */
#include <eventfold/reducer.h>

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI};
