#include "tests/sim/platter.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "tests/unit/test.h"

enum { T = 1000 };

static struct random dice_of(uint64_t seed)
{
	struct random dice;

	random_init(&dice, seed, 0);
	return dice;
}

static void put(struct platter *p, const char *name, const char *text, bool synced)
{
	struct inode *i;

	CHECK_INT(platter_make(p, "beside", T, &i), 0);
	CHECK_INT(platter_write(p, i, 0, text, strlen(text), T), 0);
	if (synced)
		CHECK_INT(platter_sync(p, i), 0);
	platter_drop(i);
	CHECK_INT(platter_rename(p, "beside", name, T), 0);
	if (synced)
		CHECK_INT(platter_sync_names(p), 0);
}

/* "-": not there. */
static const char *text_of(struct platter *p, const char *name, char out[static 64])
{
	struct inode *i = platter_find(p, name);

	if (!i)
		return "-";
	out[platter_read(i, 0, out, 63)] = '\0';
	platter_drop(i);
	return out;
}

TEST(what_was_synced_outlives_every_power_cut)
{
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct platter *p = platter_new();
		struct random dice = dice_of(seed);
		char text[64];

		put(p, "file", "new", true);
		platter_cut_power(p, &dice);
		CHECK_STR(text_of(p, "file", text), "new");
		CHECK_STR(text_of(p, "beside", text), "-");
		platter_free(p);
	}
}

TEST(a_file_renamed_unsynced_is_old_new_or_damaged_and_each_happens)
{
	unsigned n_old = 0, n_new = 0, n_damaged = 0;

	for (uint64_t seed = 0; seed < 200; seed++) {
		struct platter *p = platter_new();
		struct random dice = dice_of(seed);
		char text[64];

		put(p, "file", "old", true);
		put(p, "file", "new", false);
		CHECK_STR(text_of(p, "file", text), "new");
		platter_cut_power(p, &dice);
		const char *left = text_of(p, "file", text);

		n_old += strcmp(left, "old") == 0;
		n_new += strcmp(left, "new") == 0;
		n_damaged += strcmp(left, "") == 0;
		platter_free(p);
	}
	CHECK(n_old > 20 && n_new > 20 && n_damaged > 20);
	CHECK_INT(n_old + n_new + n_damaged, 200);
}

TEST(sectors_of_one_write_tear_apart)
{
	unsigned n_torn = 0;

	for (uint64_t seed = 0; seed < 100; seed++) {
		struct platter *p = platter_new();
		struct random dice = dice_of(seed);
		uint8_t record[1024];
		struct inode *i;

		memset(record, 'a', sizeof(record));
		CHECK_INT(platter_make(p, "ring", T, &i), 0);
		CHECK_INT(platter_write(p, i, 0, record, sizeof(record), T), 0);
		CHECK_INT(platter_sync(p, i), 0);
		CHECK_INT(platter_sync_names(p), 0);
		memset(record, 'b', sizeof(record));
		CHECK_INT(platter_write(p, i, 0, record, sizeof(record), T), 0);
		platter_cut_power(p, &dice);
		CHECK_INT(platter_read(i, 0, record, sizeof(record)), 1024);
		n_torn += record[0] != record[1023];
		platter_drop(i);
		platter_free(p);
	}
	CHECK(n_torn > 20 && n_torn < 80);
}

TEST(what_is_thirty_seconds_old_is_on_the_medium)
{
	struct platter *p = platter_new();
	struct random dice = dice_of(1);
	struct inode *i;
	char text[64];

	CHECK_INT(platter_make(p, "ring", T, &i), 0);
	CHECK_INT(platter_write(p, i, 0, "early", 5, T), 0);
	CHECK_INT(platter_write(p, i, 5, "late", 4, T + 30 * US_PER_S), 0);
	CHECK_INT(platter_sync_names(p), 0);
	platter_drop(i);
	platter_cut_power(p, &dice);
	CHECK_MEM(text_of(p, "ring", text), "early", 5);
	platter_free(p);
}

TEST(a_full_disk_refuses_bytes_and_keeps_what_it_has)
{
	struct platter *p = platter_new();
	struct inode *i;
	char text[64];

	CHECK_INT(platter_make(p, "file", T, &i), 0);
	CHECK_INT(platter_write(p, i, 0, "kept", 4, T), 0);
	platter_set_full(p, true);
	CHECK_INT(platter_write(p, i, 4, "more", 4, T), -ENOSPC);
	CHECK_STR(text_of(p, "file", text), "kept");
	platter_set_full(p, false);
	CHECK_INT(platter_write(p, i, 4, "more", 4, T), 0);
	CHECK_STR(text_of(p, "file", text), "keptmore");
	platter_drop(i);
	platter_free(p);
}

TEST(a_frozen_disk_takes_so_many_changes_and_no_more)
{
	struct platter *p = platter_new();
	struct inode *i;
	char text[64];

	CHECK_INT(platter_make(p, "file", T, &i), 0);
	platter_freeze_after(p, 1);
	CHECK_INT(platter_write(p, i, 0, "one", 3, T), 0);
	CHECK_INT(platter_write(p, i, 3, "two", 3, T), -EIO);
	CHECK_INT(platter_remove(p, "file", T), -EIO);
	platter_thaw(p);
	CHECK_INT(platter_write(p, i, 3, "six", 3, T), 0);
	CHECK_STR(text_of(p, "file", text), "onesix");
	platter_drop(i);
	platter_free(p);
}
