/*
 * warren_wg: plain WireGuard without a mesh: the engine alone, driven by wg(8) and wg-quick(8).
 */
#ifndef WARREN_WARREN_WG_H
#define WARREN_WARREN_WG_H

/* The program warren-wg; returns its exit status. */
int warren_wg_main(int argc, char **argv);

#endif
