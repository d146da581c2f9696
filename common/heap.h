/*
 * heap: memory that was freed, back to the system.
 *
 * The allocator keeps the pages of a crowd that has left, for the next one. Called where a number
 * of things that strangers choose has fallen far; it walks all free memory, milliseconds of it for
 * tens of megabytes, so not for each of them.
 */
#ifndef WARREN_HEAP_H
#define WARREN_HEAP_H

void heap_give_back(void);

#endif
