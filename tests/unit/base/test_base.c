/* SPDX-License-Identifier: Apache-2.0
 *
 * The small things that everything stands on: errors, arena, memory, list, digests.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include "base/arena.h"
#include "base/be.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/sha256.h"

Test(err, filled_and_cut)
{
	struct err e = {0};
	char large[1000];

	cr_assert_not(err_set(&e, ERR_CONFLICT, "%s is %d", "x", 7));
	cr_assert_eq(e.code, ERR_CONFLICT);
	cr_assert_str_eq(e.text, "x is 7");
	memset(large, 'y', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	cr_assert_not(err_set(&e, ERR_IO, "%s", large));
	cr_assert_eq(strlen(e.text), sizeof(e.text) - 1);
	cr_assert_not(err_set(NULL, ERR_IO, "nobody listens"));
}

Test(err, every_code_has_a_name_of_its_own)
{
	for (int a = ERR_NONE; a <= ERR_IO; a++) {
		for (int b = a + 1; b <= ERR_IO; b++)
			cr_assert_str_neq(err_code_name((enum err_code)a),
					  err_code_name((enum err_code)b));
	}
}

Test(arena, zeroed_aligned_and_apart)
{
	struct arena *arena = arena_new();
	char *last = NULL;

	for (size_t size = 0; size < 3000; size += 7) {
		char *memory = arena_alloc(arena, size);

		cr_assert_eq((uintptr_t)memory % alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			cr_assert_eq(memory[i], 0);
		memset(memory, 0xff, size);
		cr_assert(last == NULL || size == 0 || *last == (char)0xff);
		last = size > 0 ? memory : last;
	}
	cr_assert_gt(arena_used(arena), (size_t)3000 * 3000 / 14);
	arena_free(&arena);
	cr_assert_eq(arena, NULL);
	arena_free(&arena);
}

Test(arena, texts)
{
	struct arena *arena = arena_new();
	char *large = arena_alloc(arena, 100000);

	memset(large, 'x', 99999);
	cr_assert_str_eq(arena_strdup(arena, "abc"), "abc");
	cr_assert_str_eq(arena_strndup(arena, "abcdef", 3), "abc");
	cr_assert_str_eq(arena_strndup(arena, "abc", 0), "");
	cr_assert_str_eq(arena_printf(arena, "%s-%d", "a", 1), "a-1");
	cr_assert_eq(strlen(arena_strdup(arena, large)), 99999);
	arena_free(&arena);
}

Test(arena, too_large_a_product_is_our_bug, .signal = SIGABRT)
{
	struct arena *arena = arena_new();

	arena_array(arena, SIZE_MAX / 4, 8);
}

Test(ensure, aborts, .signal = SIGABRT)
{
	ENSURE(1 + 1 == 3);
}

Test(mem, grows_by_doubling)
{
	size_t capacity = 0;
	int *array = NULL;

	for (size_t i = 0; i < 1000; i++) {
		array = mem_grow(array, &capacity, i + 1, sizeof(*array));
		array[i] = (int)i;
	}
	for (size_t i = 0; i < 1000; i++)
		cr_assert_eq(array[i], (int)i);
	cr_assert_eq(capacity, 1024);
	free(array);
}

Test(mem, texts)
{
	char *text = mem_printf("%s/%d", "a", 3);
	char *copy = mem_strdup(text);

	cr_assert_str_eq(copy, "a/3");
	mem_free_secret(copy);
	mem_free_secret(NULL);
	free(text);
}

struct item {
	int number;
	struct list link;
};

Test(list, order_and_removal)
{
	struct item items[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
	struct list head;
	struct list *node;
	struct list *after;
	int sum = 0;

	list_init(&head);
	cr_assert(list_is_empty(&head));
	cr_assert_eq(list_pop(&head), NULL);
	for (int i = 0; i < 4; i++)
		list_append(&head, &items[i].link);
	list_remove(&items[1].link);
	list_remove(&items[1].link);
	list_for_each (node, &head)
		sum = sum * 10 + CONTAINER_OF(node, struct item, link)->number;
	cr_assert_eq(sum, 23);
	list_for_each_safe (node, after, &head) {
		if (CONTAINER_OF(node, struct item, link)->number > 0)
			list_remove(node);
	}
	node = list_pop(&head);
	cr_assert_eq(CONTAINER_OF(node, struct item, link)->number, 0);
	cr_assert(list_is_empty(&head));
	cr_assert(list_is_empty(node));
}

Test(sha256, known_answers)
{
	uint8_t digest[SHA256_BYTES];
	char hex[SHA256_HEX];

	sha256("", 0, digest);
	sha256_hex(digest, hex);
	cr_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sha256("abc", 3, digest);
	sha256_hex(digest, hex);
	cr_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

Test(be, round_trip)
{
	uint8_t bytes[8];

	be_put16(bytes, 0x1234);
	cr_assert(bytes[0] == 0x12 && be_get16(bytes) == 0x1234);
	be_put32(bytes, 0x12345678);
	cr_assert(bytes[0] == 0x12 && be_get32(bytes) == 0x12345678);
	be_put64(bytes, 0x123456789abcdef0);
	cr_assert(bytes[0] == 0x12 && be_get64(bytes) == 0x123456789abcdef0);
}

Test(clock, goes_forward)
{
	int64_t before = clock_now_ms();

	cr_assert_geq(clock_now_ms(), before);
	cr_assert_leq(clock_wall_s(), clock_wall_ms() / 1000);
}
