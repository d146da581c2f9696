#include "common/heap.h"

#include <malloc.h>

void heap_give_back(void)
{
	(void)malloc_trim(0);
}
