/* The program that test_views runs as its fold worker and as its looker. */
#include <string.h>

#include "model/catalog/looker.h"
#include "model/worker/loop.h"

int main(int argc, char **argv)
{
	return argc > 1 && strcmp(argv[1], "looker") == 0 ? looker_main(3) : worker_main(3);
}
