/*
 * text_table: rows of text in columns, each as wide as its widest cell; the last one runs on.
 */
#ifndef WARREN_TEXT_TABLE_H
#define WARREN_TEXT_TABLE_H

#include <stddef.h>
#include <stdio.h>

enum { TABLE_COLUMNS_MAX = 8 };

struct text_table;

struct text_table *text_table_new(size_t columns);
void text_table_free(struct text_table *t);
/* The next cell, row by row; copied, control bytes made harmless. NULL is an empty cell. */
void text_table_add(struct text_table *t, const char *text);
/* Prints all rows, each line begun with indent blanks. */
void text_table_print(const struct text_table *t, unsigned indent, FILE *out);

#endif
