/* warren-sim: a day of a whole mesh in a moment. */
#include "tests/sim/world.h"

int main(void)
{
	world_free(world_new(1));
	return 0;
}
