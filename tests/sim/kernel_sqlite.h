/*
 * kernel_sqlite: SQLite's files on the disks of simulated hosts, so that a real store meets a real
 * power cut: what no sync covered is there, torn or gone.
 *
 * One connection a file, which is all that a coordinator has: locks are always granted, and the
 * memory that connections would share is the file's own.
 */
#ifndef WARREN_SIM_KERNEL_SQLITE_H
#define WARREN_SIM_KERNEL_SQLITE_H

/* From here on SQLite opens every file so. Any number of times. */
void kernel_sqlite_install(void);

#endif
