/*
 * sudden_end: how a process ends without a word, be it killed or its host without power: what a
 * machine does for either, in the right order.
 *
 * bury gives the process's memory back. It is called where the process was, which is a crashed
 * incarnation by then: whatever the ordinary free functions send or write on the way goes nowhere.
 */
#ifndef WARREN_SIM_SUDDEN_END_H
#define WARREN_SIM_SUDDEN_END_H

struct host;

/* kill -9: the kernel closes its sockets, files stay as they were written. */
void sudden_end_by_kill(struct host *host, void (*bury)(void *arg), void *arg);
/* Nobody is told; of files stays what was synced, and more by the dice. The host is off. */
void sudden_end_of_power(struct host *host, void (*bury)(void *arg), void *arg);

#endif
