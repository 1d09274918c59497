/* SPDX-License-Identifier: Apache-2.0
 *
 * What the rewriter's parts have in common: emit.c (changing a frame), rules.c (what is done with
 * each meaning), rewrite.c (the engine). Private to proxy/.
 */
#pragma once
#include "proxy/rewrite.h"

/* Bytes of the longest varint that anybody reads. */
#define VARINT_MAX 5

/* A frame goes out in so many segments at most (a name takes two): a frame of names of one byte
 * each must not become many times its size in the book-keeping. */
#define PIECES_MAX (1 << 20)

/* Notes why the frame cannot be rewritten, with the field's path; always false. */
bool rw_fail(struct rewriter *rw, uint16_t field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Appends bytes of a buf (a reference is taken) or static ones (buf NULL) to the outgoing frame. */
void rw_emit(struct rewriter *rw, struct buf *buf, const uint8_t *at, size_t length);
/* Appends a copy of bytes; at most SCRATCH_MAX. */
void rw_emit_copy(struct rewriter *rw, const void *bytes, size_t length);
/* Passes the input up to `until` on as it is. */
void rw_flush_span(struct rewriter *rw, const uint8_t *until);

/* The input may be changed in place: it was read from a socket into a block that only this
 * connection's segments refer to. */
uint8_t *rw_writable(const uint8_t *at);
/* Writes an integer over the item's, in its own width. */
void rw_put_number(const struct walk_item *item, int64_t number);
/* Replaces a string by prefix + the last `keep` bytes of what it was. */
void rw_replace_string(struct rewriter *rw, const struct walk_item *item, const char *prefix,
		       size_t prefix_length, size_t keep);
/* Replaces a string by another one of any length. */
void rw_replace_text(struct rewriter *rw, const struct walk_item *item, const void *text,
		     size_t length);
/* Replaces a string by `before`, `length` bytes of the input from `at` on, and `after`. */
void rw_wrap_string(struct rewriter *rw, const struct walk_item *item, const char *before,
		    const uint8_t *at, size_t length, const char *after);
/* Replaces a nullable string by null. */
void rw_replace_null(struct rewriter *rw, const struct walk_item *item);

/* A streamed frame: what has come up to the item's end is known; each of `names` more names will
 * change the size by the prefix. */
bool rw_promise(struct rewriter *rw, const struct walk_item *item, uint32_t names);
/* The element around a name that came back only to be refused: its error codes become this one. */
void rw_refuse_element(struct rewriter *rw, int error);

/* The innermost construct around the item being walked. */
struct rewrite_level *rw_level_top(struct rewriter *rw);
/* Leaves out an element of an array of leaves. */
void rw_drop_leaf(struct rewriter *rw, const struct walk_item *item);
/* Leaves out what the item belongs to: its own array's element, or the innermost struct element
 * around it. false: there is none, or the frame's size is promised. */
bool rw_drop_element(struct rewriter *rw, const struct walk_item *item);

/* Leaves out the innermost struct, which is nullable: null stands for it. */
bool rw_drop_struct(struct rewriter *rw, const struct walk_item *item);

/* rules.c: does with a value what its meaning asks for in this direction. */
bool rule_apply(struct rewriter *rw, const struct walk_item *item);
/* The same for an array that begins; its elements follow one by one. */
bool rule_apply_array(struct rewriter *rw, const struct walk_item *item);

/* expand.c: puts the tenant's own topics in place of an array that means all; false: it does not.
 */
bool expand_array(struct rewriter *rw, const struct walk_item *item);
/* Leaves out of an answer what only our naming of topics brought into it. */
bool expand_check_error(struct rewriter *rw, const struct walk_item *item);
/* The end of an array in an answer, when all of its elements were left out: the same for what holds
 * it. */
void expand_check_empty(struct rewriter *rw, const struct rewrite_level *level);
