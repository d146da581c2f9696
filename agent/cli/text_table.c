#include "agent/cli/text_table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cli/human.h"

enum { CELL_MAX = 512, GAP = 2 };

struct text_table {
	size_t columns;
	char **cells;
	size_t n, cap;
	size_t width[TABLE_COLUMNS_MAX];
};

struct text_table *text_table_new(size_t columns)
{
	struct text_table *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	t->columns = columns < TABLE_COLUMNS_MAX ? columns : TABLE_COLUMNS_MAX;
	return t;
}

void text_table_free(struct text_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}

/* Characters of UTF-8 text: what is no continuation byte. */
static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void text_table_add(struct text_table *t, const char *text)
{
	char safe[CELL_MAX];

	if (t->n == t->cap) {
		t->cap = t->cap * 2 + 64;
		t->cells = realloc(t->cells, t->cap * sizeof(*t->cells));
	}
	human_safe(text ? text : "", safe, sizeof(safe));
	char *cell = strdup(safe);
	if (!t->cells || !cell)
		abort();
	size_t *width = &t->width[t->n % t->columns];
	size_t n = width_of(cell);
	*width = n > *width ? n : *width;
	t->cells[t->n++] = cell;
}

/* Whether only empty cells follow in the row. */
static bool rest_is_empty(const struct text_table *t, size_t i)
{
	do {
		i++;
	} while (i % t->columns != 0 && i < t->n && t->cells[i][0] == '\0');
	return i % t->columns == 0 || i == t->n;
}

void text_table_print(const struct text_table *t, unsigned indent, FILE *out)
{
	for (size_t i = 0; i < t->n; i++) {
		size_t column = i % t->columns;

		if (column == 0)
			fprintf(out, "%*s", (int)indent, "");
		fputs(t->cells[i], out);
		if (!rest_is_empty(t, i))
			fprintf(out, "%*s", (int)(t->width[column] - width_of(t->cells[i]) + GAP),
				"");
		if (column + 1 == t->columns)
			fputc('\n', out);
	}
}
