/* The program that test_views runs as its fold worker. */
#include "model/worker.h"

int main(void)
{
	return worker_main(3);
}
