/* Of another version: there is nothing behind the number. */
#include <eventfold/reducer.h>

EVENTFOLD_EXPORT extern const uint32_t eventfold_reducer_abi __asm__("eventfold_reducer");
const uint32_t eventfold_reducer_abi = 9;
