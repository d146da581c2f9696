#include "tests/sim/platter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

enum { NAMES_MAX = 64, SECTOR = 512 };

static const uint64_t writeback_us = (uint64_t)30 * US_PER_S; /* Linux's dirty_expire */

struct span {
	uint64_t offset, at_us;
	size_t len;
};

struct inode {
	unsigned references;
	uint8_t *bytes, *medium; /* both have cap bytes, zeros behind their ends */
	size_t len, medium_len, cap;
	struct span *dirty; /* oldest first */
	size_t n_dirty, cap_dirty;
};

struct name {
	char *text;
	struct inode *inode;
};

struct names {
	struct name entry[NAMES_MAX];
	size_t n;
};

/* A name points to an inode from then on, NULL: to none. Renaming is one change of two names. */
struct change {
	char *name, *gone; /* gone: removed with it, or NULL */
	struct inode *inode;
	uint64_t at_us;
};

struct platter {
	struct names seen, medium;
	struct change *changes; /* not on the medium yet, oldest first */
	size_t n_changes, cap_changes;
	bool is_full, is_frozen;
	unsigned changes_left; /* until it freezes; 0: no such plan */
	void (*frozen)(void *arg);
	void *frozen_arg;
	struct platter_counters counters;
};

static void *must(void *ptr)
{
	if (!ptr)
		abort();
	return ptr;
}

/* ---- inodes ---- */

static struct inode *hold(struct inode *i)
{
	if (i)
		i->references++;
	return i;
}

void platter_drop(struct inode *i)
{
	if (!i || --i->references > 0)
		return;
	free(i->bytes);
	free(i->medium);
	free(i->dirty);
	free(i);
}

static void grow(struct inode *i, size_t need)
{
	size_t cap = i->cap ? i->cap : 4096;

	if (need <= i->cap)
		return;
	while (cap < need)
		cap *= 2;
	i->bytes = must(realloc(i->bytes, cap));
	i->medium = must(realloc(i->medium, cap));
	memset(i->bytes + i->cap, 0, cap - i->cap);
	memset(i->medium + i->cap, 0, cap - i->cap);
	i->cap = cap;
}

static void to_medium(struct inode *i, uint64_t offset, size_t len)
{
	memcpy(i->medium + offset, i->bytes + offset, len);
	if (i->medium_len < offset + len)
		i->medium_len = offset + len;
}

static void write_back(struct inode *i, uint64_t now_us)
{
	size_t n = 0;

	while (n < i->n_dirty && now_us - i->dirty[n].at_us >= writeback_us) {
		to_medium(i, i->dirty[n].offset, i->dirty[n].len);
		n++;
	}
	i->n_dirty -= n;
	if (n > 0)
		memmove(i->dirty, i->dirty + n, i->n_dirty * sizeof(*i->dirty));
}

static void add_dirty(struct inode *i, uint64_t offset, size_t len, uint64_t now_us)
{
	if (i->n_dirty == i->cap_dirty) {
		i->cap_dirty = i->cap_dirty ? 2 * i->cap_dirty : 8;
		i->dirty = must(realloc(i->dirty, i->cap_dirty * sizeof(*i->dirty)));
	}
	i->dirty[i->n_dirty++] = (struct span){.offset = offset, .at_us = now_us, .len = len};
}

/* Each sector of what was written reached the medium or not. */
static void tear(struct inode *i, struct random *dice)
{
	for (size_t k = 0; k < i->n_dirty; k++) {
		uint64_t at = i->dirty[k].offset, end = at + i->dirty[k].len;

		while (at < end) {
			uint64_t next = (at / SECTOR + 1) * SECTOR;

			if (next > end)
				next = end;
			if (random_chance(dice, 0.5))
				to_medium(i, at, (size_t)(next - at));
			at = next;
		}
	}
	i->n_dirty = 0;
	if (i->cap > 0)
		memcpy(i->bytes, i->medium, i->cap);
	i->len = i->medium_len;
}

/* ---- names ---- */

static struct name *find(struct names *names, const char *text)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->entry[i].text, text) == 0)
			return &names->entry[i];
	return NULL;
}

static void point(struct names *names, const char *text, struct inode *inode)
{
	struct name *name = find(names, text);

	if (name && inode) {
		struct inode *old = name->inode;

		name->inode = hold(inode);
		platter_drop(old);
	} else if (name) {
		free(name->text);
		platter_drop(name->inode);
		*name = names->entry[--names->n];
	} else if (inode) {
		if (names->n == NAMES_MAX)
			abort();
		names->entry[names->n++] =
			(struct name){.text = must(strdup(text)), .inode = hold(inode)};
	}
}

static void wipe_names(struct names *names)
{
	while (names->n > 0)
		point(names, names->entry[0].text, NULL);
}

static void settle(struct platter *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct change *c = &p->changes[i];

		point(&p->medium, c->name, c->inode);
		if (c->gone)
			point(&p->medium, c->gone, NULL);
	}
}

static void forget_changes(struct platter *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(p->changes[i].name);
		free(p->changes[i].gone);
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the last who holds it frees it. */
		platter_drop(p->changes[i].inode);
	}
	p->n_changes -= n;
	if (n > 0)
		memmove(p->changes, p->changes + n, p->n_changes * sizeof(*p->changes));
}

static void add_change(struct platter *p, const char *name, struct inode *inode, const char *gone,
		       uint64_t now_us)
{
	size_t old = 0;

	while (old < p->n_changes && now_us - p->changes[old].at_us >= writeback_us)
		old++;
	settle(p, old);
	forget_changes(p, old);
	if (p->n_changes == p->cap_changes) {
		p->cap_changes = p->cap_changes ? 2 * p->cap_changes : 8;
		p->changes = must(realloc(p->changes, p->cap_changes * sizeof(*p->changes)));
	}
	p->changes[p->n_changes++] = (struct change){.name = must(strdup(name)),
						     .gone = gone ? must(strdup(gone)) : NULL,
						     .inode = hold(inode),
						     .at_us = now_us};
	point(&p->seen, name, inode);
	if (gone)
		point(&p->seen, gone, NULL);
}

/* ---- the disk ---- */

struct platter *platter_new(void)
{
	return must(calloc(1, sizeof(struct platter)));
}

void platter_free(struct platter *p)
{
	if (!p)
		return;
	forget_changes(p, p->n_changes);
	wipe_names(&p->seen);
	wipe_names(&p->medium);
	free(p->changes);
	free(p);
}

void platter_set_full(struct platter *p, bool is_full)
{
	p->is_full = is_full;
}

void platter_freeze_after(struct platter *p, unsigned n)
{
	p->changes_left = n;
	p->is_frozen = n == 0;
}

void platter_watch_freeze(struct platter *p, void (*frozen)(void *arg), void *arg)
{
	p->frozen = frozen;
	p->frozen_arg = arg;
}

void platter_thaw(struct platter *p)
{
	p->changes_left = 0;
	p->is_frozen = false;
}

bool platter_is_frozen(const struct platter *p)
{
	return p->is_frozen;
}

/* May the medium change? Counts towards the freeze. */
static bool may_change(struct platter *p)
{
	if (p->is_frozen)
		return false;
	if (p->changes_left == 0 || --p->changes_left > 0)
		return true;
	p->is_frozen = true;
	if (p->frozen)
		p->frozen(p->frozen_arg);
	return true;
}

void platter_cut_power(struct platter *p, struct random *dice)
{
	settle(p, (size_t)random_below(dice, p->n_changes + 1));
	forget_changes(p, p->n_changes);
	wipe_names(&p->seen);
	for (size_t i = 0; i < p->medium.n; i++) {
		tear(p->medium.entry[i].inode, dice);
		point(&p->seen, p->medium.entry[i].text, p->medium.entry[i].inode);
	}
	platter_thaw(p);
}

struct inode *platter_find(struct platter *p, const char *name)
{
	struct name *found = find(&p->seen, name);

	return found ? hold(found->inode) : NULL;
}

int platter_make(struct platter *p, const char *name, uint64_t now_us, struct inode **out)
{
	if (find(&p->seen, name))
		return -EEXIST;
	if (!may_change(p))
		return -EIO;
	struct inode *i = must(calloc(1, sizeof(*i)));

	add_change(p, name, i, NULL, now_us);
	*out = hold(i);
	return 0;
}

size_t platter_size(const struct inode *i)
{
	return i->len;
}

size_t platter_read(const struct inode *i, uint64_t offset, void *buf, size_t cap)
{
	if (offset >= i->len)
		return 0;
	size_t len = i->len - (size_t)offset;

	if (len > cap)
		len = cap;
	memcpy(buf, i->bytes + offset, len);
	return len;
}

int platter_write(struct platter *p, struct inode *i, uint64_t offset, const void *bytes,
		  size_t len, uint64_t now_us)
{
	if (!may_change(p))
		return -EIO;
	if (p->is_full)
		return -ENOSPC;
	if (len == 0)
		return 0;
	write_back(i, now_us);
	grow(i, (size_t)offset + len);
	memcpy(i->bytes + offset, bytes, len);
	if (i->len < offset + len)
		i->len = (size_t)offset + len;
	add_dirty(i, offset, len, now_us);
	p->counters.writes++;
	p->counters.bytes += len;
	return 0;
}

int platter_sync(struct platter *p, struct inode *i)
{
	if (!may_change(p))
		return -EIO;
	for (size_t k = 0; k < i->n_dirty; k++)
		to_medium(i, i->dirty[k].offset, i->dirty[k].len);
	i->n_dirty = 0;
	return 0;
}

int platter_rename(struct platter *p, const char *from, const char *to, uint64_t now_us)
{
	struct name *found = find(&p->seen, from);

	if (!found)
		return -ENOENT;
	if (!may_change(p))
		return -EIO;
	add_change(p, to, found->inode, from, now_us);
	return 0;
}

int platter_remove(struct platter *p, const char *name, uint64_t now_us)
{
	if (!find(&p->seen, name))
		return -ENOENT;
	if (!may_change(p))
		return -EIO;
	add_change(p, name, NULL, NULL, now_us);
	return 0;
}

int platter_sync_names(struct platter *p)
{
	if (!may_change(p))
		return -EIO;
	settle(p, p->n_changes);
	forget_changes(p, p->n_changes);
	return 0;
}

const struct platter_counters *platter_counters(const struct platter *p)
{
	return &p->counters;
}
