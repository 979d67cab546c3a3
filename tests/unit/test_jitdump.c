// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Names of a JIT's code by the jitdump that its process has mapped. */
#include <stdlib.h>
#include <sys/mman.h>

#include "elfdir.h"
#include "module/space.h"

#define DUMP "/home/jit-77.dump"

static struct ustack_symbol sym = { .sz = sizeof(sym) };

/* What is written, by and by. */
static uint8_t dump[1 << 20];
static size_t dump_size;

static void word(uint64_t val, unsigned int size)
{
	memcpy(dump + dump_size, &val, size);
	dump_size += size;
}

static void header(void)
{
	dump_size = 0;
	word(0x4a695444, 4);	/* "JiTD" */
	word(1, 4);		/* version */
	word(48, 4);		/* bytes, more than there are fields */
	word(EM_X86_64, 4);
	word(0, 4);
	word(77, 4);		/* PID */
	word(1, 8);		/* time */
	word(0, 8);		/* flags */
	word(0, 8);
}

/* Returns where the record begins. */
static size_t function(uint64_t addr, uint64_t size, const char *name)
{
	static uint64_t nr;
	size_t at = dump_size, len = strlen(name) + 1;

	word(0, 4);
	word(56 + len + size, 4);
	word(++nr, 8);
	word(77, 4);
	word(77, 4);
	word(addr, 8);
	word(addr, 8);
	word(size, 8);
	word(nr, 8);
	memcpy(dump + dump_size, name, len);
	dump_size += len;
	memset(dump + dump_size, 0xcc, size);
	dump_size += size;
	return at;
}

/* A record that names nothing. */
static void other(uint32_t id, uint32_t size)
{
	word(id, 4);
	word(16 + size, 4);
	word(0, 8);
	memset(dump + dump_size, 0xff, size);
	dump_size += size;
}

static void written(void)
{
	write_file(DUMP, dump, dump_size);
}

static void map_dump(struct ustack_space *s, const char *path, uint32_t prot)
{
	const struct ustack_map m = { .sz = sizeof(m), .addr = 0x700000,
				      .size = 0x1000, .path = path,
				      .prot = prot, .ino = 5, .maj = 8 };

	assert_int_equal(ustack_space_map(s, &m), 0);
}

/* Code at 0x400000, and the dump, mapped before or after. */
static void map(const char *path, bool before)
{
	const struct ustack_map code = { .sz = sizeof(code), .addr = 0x400000,
					 .size = 0x100000, .pid = 0,
					 .path = "/tmp/perf-77.map",
					 .prot = PROT_READ | PROT_EXEC };

	forget();
	assert_int_equal(ustack_images_new(&images, &opts), 0);
	assert_int_equal(ustack_space_new(&space, images), 0);
	if (before)
		map_dump(space, path, PROT_READ | PROT_EXEC);
	assert_int_equal(ustack_space_map(space, &code), 0);
	if (!before)
		map_dump(space, path, PROT_READ | PROT_EXEC);
}

static const char *name_in(struct ustack_space *s, uint64_t addr)
{
	ustack_symbolize(s, addr, &sym);
	return sym.name ? sym.name : "";
}

static const char *name(uint64_t addr)
{
	return name_in(space, addr);
}

static void keep_error(void *arg, const char *path, int err)
{
	assert_string_equal(path, DUMP);
	*(int *)arg = err;
}

/* Why not all could be read; 0: all was. */
static int lack(void)
{
	int err = 0;
	size_t nr = ustack_images_unusable(images, keep_error, &err);

	assert_int_equal(nr, !!err);
	return err;
}

static void names(void **state)
{
	(void)state;
	header();
	other(4, 48);
	function(0x400100, 0x20, "JS:~main /app/a b.js:1:1");
	other(2, 200);
	function(0x400200, 0x10, "old");
	function(0x400180, 0x10, "before");
	function(0x400200, 0x8, "new");
	function(0x400300, 0, "no code");
	function(0x400310, 0x10, "");
	other(3, 0);
	function(0x500000, 0x10, "behind");
	written();
	for (int before = 0; before < 2; before++) {
		map(DUMP, before);
		assert_string_equal(name(0x4000ff), "");
		assert_string_equal(sym.path, "/tmp/perf-77.map");
		assert_string_equal(name(0x400104), "JS:~main /app/a b.js:1:1");
		assert_string_equal(sym.path, DUMP);
		assert_int_equal(sym.offset, 4);
		assert_int_equal(sym.has_start, 1);
		assert_int_equal(sym.addr, 0x400104);
		assert_int_equal(sym.addr_kind, USTACK_ADDR_USER);
		assert_string_equal(name(0x400120), "");
		assert_string_equal(name(0x40018f), "before");
		assert_string_equal(name(0x400207), "new");
		assert_string_equal(name(0x400208), "");
		assert_string_equal(name(0x400300), "");
		assert_string_equal(name(0x400310), "");
		/* There is no code of a JIT. */
		assert_string_equal(name(0x500000), "");
		assert_string_equal(name(0x700000), "");
		assert_int_equal(lack(), 0);
	}
}

/* What it does not name the other file may. */
static void with_map(void **state)
{
	static const char text[] = "400100 10 in the map\n400200 10 there, too\n";

	(void)state;
	header();
	function(0x400100, 0x10, "in the dump");
	written();
	write_file("/tmp/perf-77.map", text, sizeof(text) - 1);
	map(DUMP, true);
	assert_string_equal(name(0x400100), "in the dump");
	assert_string_equal(name(0x400200), "there, too");
	assert_string_equal(sym.path, "/tmp/perf-77.map");
}

/* A name that only looks alike; one that is not executable: that is no sign. */
static void no_dump(void **state)
{
	static const char *const paths[] = { "/home/jit-.dump", "/home/jit-7x.dump",
					     "/home/ajit-77.dump", "jit-77.dump" };

	(void)state;
	header();
	function(0x400100, 0x10, "f");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (*paths[i] == '/')
			write_file(paths[i], dump, dump_size);
		map(paths[i], true);
		assert_string_equal(name(0x400100), "");
	}
	written();
	map("/none", true);
	map_dump(space, DUMP, PROT_READ);
	assert_string_equal(name(0x400100), "");
	/* It takes the place of what was there. */
	map_dump(space, "/tmp/perf-77.map", PROT_READ | PROT_EXEC);
	map_dump(space, DUMP, PROT_READ | PROT_EXEC);
	assert_string_equal(name(0x400100), "f");
	ustack_symbolize(space, 0x700010, &sym);
	assert_null(sym.path);
}

/* Of the process that was forked, until it runs another program. */
static void fork_and_exec(void **state)
{
	struct ustack_space *child;

	(void)state;
	header();
	function(0x400100, 0x10, "f");
	written();
	map(DUMP, true);
	assert_int_equal(ustack_space_fork(&child, space), 0);
	/* The child maps what the parent does not. */
	assert_int_equal(ustack_space_unmap(child, 0x4f0000, 0x1000), 0);
	assert_string_equal(name_in(child, 0x400100), "f");
	ustack_space_clear(space);
	ustack_images_trim(images);
	assert_string_equal(name(0x400100), "");
	assert_string_equal(name_in(child, 0x400100), "f");
	ustack_space_clear(child);
	ustack_images_trim(images);
	assert_null(images->all);
	ustack_space_free(child);
}

/* A live process: records come in parts, and another run may take the path. */
static void goes_on(void **state)
{
	size_t at;

	(void)state;
	map(DUMP, true);
	assert_string_equal(name(0x400100), "");
	assert_int_equal(lack(), -ENOENT);
	header();
	write_file(DUMP, dump, 20);
	assert_string_equal(name(0x400100), "");
	assert_int_equal(lack(), 0);
	written();
	assert_string_equal(name(0x400100), "");
	function(0x400100, 0x10, "first");
	written();
	assert_string_equal(name(0x400100), "first");
	at = function(0x400200, 0x10, "second");
	for (size_t n = at + 1; n < dump_size; n += 7) {
		write_file(DUMP, dump, n);
		assert_string_equal(name(0x400200), "");
		assert_int_equal(lack(), 0);
	}
	function(0x400100, 0x8, "again");
	written();
	assert_string_equal(name(0x400200), "second");
	assert_string_equal(name(0x400100), "again");
	assert_string_equal(name(0x400108), "");
	/* Written anew, and longer. */
	header();
	function(0x400400, 0x4000, "other");
	written();
	assert_string_equal(name(0x400400), "other");
	assert_string_equal(name(0x400200), "");
}

/* What comes before the damage has its name, and behind it if where is known. */
static void damaged(void **state)
{
	static const struct {
		unsigned int at, size;	/* in the record */
		uint64_t val;
		bool alone;	/* where it ends is known */
	} lies[] = {
		{ 4, 4, 0, 0 },	    { 4, 4, 15, 0 },
		{ 4, 4, 55, 0 },    { 40, 8, 1000, 1 },
		{ 40, 8, 20, 1 },   { 40, 8, UINT64_MAX - 100, 1 },
		{ 32, 8, UINT64_MAX, 1 }, { 56, 8, 0x4141414141414141, 1 },
	};
	size_t at;

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		header();
		function(0x400100, 0x10, "good");
		/* The name has 8 bytes with its end. */
		at = function(0x400200, 1, "badname");
		memcpy(dump + at + lies[i].at, &lies[i].val, lies[i].size);
		function(0x400300, 0x10, "behind");
		written();
		map(DUMP, true);
		assert_string_equal(name(0x400100), "good");
		assert_string_equal(name(0x400200), "");
		assert_string_equal(name(0x400300), lies[i].alone ? "behind" : "");
		assert_int_equal(lack(), -EBADMSG);
		/* That is still so when the JIT has written on. */
		function(0x400400, 0x10, "later");
		written();
		assert_string_equal(name(0x400400), lies[i].alone ? "later" : "");
		assert_int_equal(lack(), -EBADMSG);
	}
	/* No header has so many bytes, and nothing that is written so begins. */
	for (size_t i = 0; i < 2; i++) {
		header();
		if (i)
			word(0x6b6e756a6b6e756a, 8);
		else
			memset(dump + 8, 0x11, 4);
		function(0x400100, 0x10, "f");
		written();
		map(DUMP, true);
		assert_string_equal(name(0x400100), "");
		assert_int_equal(lack(), -EBADMSG);
	}
	for (size_t i = 0; i < 3; i++) {
		static const uint32_t machines[] = { EM_386, EM_NONE, EM_AARCH64 };

		header();
		function(0x400100, 0x10, "f");
		memcpy(dump + 12, &machines[i], 4);
		written();
		map(DUMP, true);
		assert_string_equal(name(0x400100), i < 2 ? "f" : "");
		assert_int_equal(lack(), i < 2 ? 0 : -ENOEXEC);
	}
	for (size_t i = 0; i < 12; i += 4) {
		header();
		function(0x400100, 0x10, "f");
		memset(dump + i, i == 8 ? 0 : 0x11, 4);
		if (i == 8)
			dump[i] = 39;
		written();
		map(DUMP, true);
		assert_string_equal(name(0x400100), "");
		assert_int_equal(lack(), -EBADMSG);
	}
}

/* Names of any length, and any bytes: no crash, no other limit than that of memory. */
static void hostile(void **state)
{
	static char text[100000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	header();
	function(0x400100, 0x10, text);
	function(0x400200, 0x10, "behind");
	written();
	map(DUMP, true);
	assert_string_equal(name(0x400100), "");
	assert_string_equal(name(0x400200), "behind");
	assert_int_equal(lack(), -EBADMSG);
	text[30000] = '\0';
	header();
	for (int i = 0; i < 30; i++)
		function(0x400100 + 0x10 * i, 0x10, text);
	function(0x400800, 0x10, "last");
	written();
	map(DUMP, true);
	assert_int_equal(strlen(name(0x400100)), 30000);
	assert_string_equal(name(0x400800), "last");
	srand(1);
	for (int turn = 0; turn < 400; turn++) {
		header();
		for (int i = 0; i < 20; i++)
			function(0x400100 + 0x10 * i, 0x10, "function");
		for (int n = rand() % 8 + 1; n; n--)
			dump[rand() % dump_size] = rand();
		write_file(DUMP, dump, rand() % 4 ? dump_size : rand() % dump_size);
		map(DUMP, true);
		for (int i = 0; i < 20; i++)
			name(0x400100 + 0x10 * i);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names),   TEST(with_map), TEST(no_dump), TEST(fork_and_exec),
		TEST(goes_on), TEST(damaged),  TEST(hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
