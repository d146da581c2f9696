/*
 * uapi_engine: answers configuration messages (uapi.h) for an engine: what wg(8) asks and sets.
 *
 * Read-only in the mesh: private and preshared keys are left out, and set answers EPERM. Main
 * thread.
 */
#ifndef WARREN_UAPI_ENGINE_H
#define WARREN_UAPI_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/wire.h"

struct engine;

/* Does what one whole message says and writes the answer. Where the answer does not fit w fails:
 * a get may be asked again with more room, a set's answer always fits in UAPI_SET_ANSWER_MAX. */
enum { UAPI_SET_ANSWER_MAX = 64 };
void uapi_engine_answer(struct engine *engine, bool may_change, const char *message, size_t len,
			struct writer *w);

#endif
