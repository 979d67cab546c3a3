// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* What perf of all ages writes: attrs of any size, ids, build-ids. */
#include <elf.h>
#include <link.h>

#include "perfdata.h"

#define OLD_TYPE \
	(PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ID)

/* HEADER_ATTR with the first size bytes of an attr; more: zeros behind it. */
static void put_attr(struct pd *pd, uint32_t size, uint32_t told,
		     uint64_t sample_type, uint64_t regs_user, uint64_t id)
{
	struct pd attr = { 0 };
	uint32_t i;

	pd_attr(&attr, sample_type, ATTR_SAMPLE_ID_ALL, regs_user);
	memcpy(attr.buf + 4, &told, 4);
	pd_begin(pd, REC_HEADER_ATTR, 0);
	pd_bytes(pd, attr.buf, size < 120 ? size : 120);
	for (i = 120; i < size; i += 8)
		pd_u64(pd, 0);
	pd_u64(pd, id);
	pd_end(pd);
	free(attr.buf);
}

/* A sample of OLD_TYPE, its chain if there is to be one. */
static void put_old(struct pd *pd, uint64_t time, uint64_t id, int chain)
{
	pd_begin(pd, PERF_RECORD_SAMPLE, PERF_RECORD_MISC_USER);
	pd_u64(pd, 0x401000);
	pd_u32x2(pd, 100, 101);
	pd_u64(pd, time);
	pd_u64(pd, id);
	if (chain) {
		pd_u64(pd, 2);
		pd_u64(pd, PERF_CONTEXT_USER);
		pd_u64(pd, 0x401000);
	}
	pd_end(pd);
}

/* PERF_ATTR_SIZE_VER0 to VER8, and one to come; 0 is how VER0 was told. */
static void attr_sizes(void **state)
{
	static const uint32_t sizes[] = { 64,  72,  80,	 96,  104,
					  112, 120, 128, 136, 144 };
	size_t i;

	(void)state;
	for (i = 0; i <= sizeof(sizes) / sizeof(*sizes); i++) {
		uint32_t size = i ? sizes[i - 1] : 64;
		const struct ustack_sample *s;
		struct pd pd = { 0 };
		struct pd_reader r;

		pd_pipe(&pd);
		put_attr(&pd, size, i ? size : 0, OLD_TYPE, 0, 77);
		put_old(&pd, 1000, 77, 0);
		assert_int_equal(pd_open(&pd, &r), 0);
		s = pd_next(&r);
		assert_int_equal(s->time, 1000);
		assert_int_equal(s->id, 77);
		assert_int_equal(s->tid, 101);
		assert_int_equal(s->period, 1000000);
		assert_int_equal(s->pair, USTACK_PAIR_NONE);
		assert_string_equal(s->event, "cpu-clock");
		pd_expect_end(&r, 0);
		pd_close(&r);
	}
}

/* Events of one file with other fields: the id of each record tells. */
static void several_attrs(void **state)
{
	const struct ustack_sample *s;
	struct pd pd = { 0 };
	struct pd_reader r;

	(void)state;
	pd_pipe(&pd);
	put_attr(&pd, 112, 112, OLD_TYPE, 0, 1);
	put_attr(&pd, 112, 112, OLD_TYPE | PERF_SAMPLE_CALLCHAIN, 0, 2);
	put_attr(&pd, 112, 112, OLD_TYPE | PERF_SAMPLE_REGS_USER |
					PERF_SAMPLE_STACK_USER,
		 1u << 7 | 1u << 8, 3);
	put_old(&pd, 1000, 2, 1);
	put_old(&pd, 2000, 1, 0);
	pd_begin(&pd, PERF_RECORD_SAMPLE, PERF_RECORD_MISC_USER);
	pd_u64(&pd, 0x401000);
	pd_u32x2(&pd, 100, 101);
	pd_u64(&pd, 3000);
	pd_u64(&pd, 3);
	pd_u64(&pd, USTACK_ABI_64);
	pd_u64(&pd, 0x7ffe0000);
	pd_u64(&pd, 0x401000);
	pd_u64(&pd, 16); /* asked for */
	pd_u64(&pd, 0x1111);
	pd_u64(&pd, 0);
	pd_u64(&pd, 8); /* copied */
	pd_end(&pd);
	put_old(&pd, 4000, 4, 0); /* no event has this id */
	assert_int_equal(pd_open(&pd, &r), 0);
	s = pd_next(&r);
	assert_int_equal(s->time, 1000);
	assert_int_equal(s->nr_chain, 2);
	s = pd_next(&r);
	assert_int_equal(s->time, 2000);
	assert_int_equal(s->nr_chain, 0);
	s = pd_next(&r);
	assert_int_equal(s->time, 3000);
	assert_int_equal(s->pair, USTACK_PAIR_LEGACY);
	assert_int_equal(s->regs.val[7], 0x7ffe0000);
	assert_int_equal(s->nr_ranges, 1);
	assert_int_equal(s->ranges[0].addr, 0x7ffe0000);
	assert_int_equal(s->ranges[0].size, 8);
	assert_int_equal(get64(s->ranges[0].data), 0x1111);
	pd_expect_end(&r, -EBADMSG);
	assert_non_null(strstr(ustack_reader_error(r.reader), "the id 4"));
	pd_close(&r);
}

/* --- build-ids -------------------------------------------------------------- */

struct self {
	char path[4096];
	uint8_t id[20];
	uint64_t offset, vaddr; /* of the code segment */
	uint64_t base;
};

static int find_self(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct self *self = arg;
	int i;

	(void)size;
	self->base = info->dlpi_addr;
	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		const uint8_t *p = (uint8_t *)info->dlpi_addr + ph->p_vaddr;
		const uint8_t *end = p + ph->p_memsz;

		if (ph->p_type == PT_LOAD && ph->p_flags & PF_X) {
			self->offset = ph->p_offset;
			self->vaddr = ph->p_vaddr;
		}
		/* namesz, descsz, type, "GNU\0", the id */
		while (ph->p_type == PT_NOTE && p + 36 <= end) {
			if (get32(p) == 4 && get32(p + 4) == 20 &&
			    get32(p + 8) == NT_GNU_BUILD_ID &&
			    !memcmp(p + 12, "GNU", 4))
				memcpy(self->id, p + 16, 20);
			p += 12 + ((get32(p) + 3) & ~3u) +
			     ((get32(p + 4) + 3) & ~3u);
		}
	}
	return 1; /* the program itself is the first */
}

enum { INLINE, RECORD, RECORD_SIZED };

/* This program, mapped at 0x10000000, with its build-id told in one way. */
static void put_self(struct pd *pd, const struct self *self, int how,
		     const uint8_t *id)
{
	uint32_t size = 20;

	pd_start(pd);
	if (how != INLINE) {
		/* bit 15: the size is told, since perf 5.10 */
		pd_begin(pd, REC_HEADER_BUILD_ID,
			 PERF_RECORD_MISC_USER |
				 (how == RECORD_SIZED ? 1u << 15 : 0));
		pd_bytes(pd, "\xff\xff\xff\xff", 4); /* pid */
		pd_bytes(pd, id, 20);
		pd_bytes(pd, &size, 4);
		pd_str(pd, self->path);
		pd_end(pd);
	}
	/* bit 14: a build-id in place of the inode */
	pd_begin(pd, PERF_RECORD_MMAP2,
		 PERF_RECORD_MISC_USER | (how == INLINE ? 1u << 14 : 0));
	pd_u32x2(pd, 100, 100);
	pd_u64(pd, 0x10000000);
	pd_u64(pd, 0x100000);
	pd_u64(pd, self->offset & ~4095ull);
	if (how == INLINE) {
		pd_bytes(pd, &size, 4);
		pd_bytes(pd, id, 20);
	} else {
		pd_u64(pd, 0);
		pd_u64(pd, 0);
		pd_u64(pd, 0);
	}
	pd_u64(pd, 5);
	pd_str(pd, self->path);
	pd_trailer(pd, 100, 100, 500, DEFER_ID);
	pd_end(pd);
	pd_sample(pd, 100, 1000, 0);
}

__attribute__((noinline)) void a_name_to_find(void)
{
	__asm__ volatile("");
}

static void build_ids(void **state)
{
	struct self self = { 0 };
	uint8_t other[20];
	uint64_t addr;
	int how, good;

	(void)state;
	assert_true(readlink("/proc/self/exe", self.path,
			     sizeof(self.path) - 1) > 0);
	dl_iterate_phdr(find_self, &self);
	memcpy(other, self.id, 20);
	other[19] ^= 1;
	addr = (uintptr_t)a_name_to_find - self.base - self.vaddr +
	       self.offset - (self.offset & ~4095ull) + 0x10000000;
	for (how = INLINE; how <= RECORD_SIZED; how++) {
		for (good = 0; good < 2; good++) {
			const struct ustack_sample *s;
			struct ustack_symbol sym = { .sz = sizeof(sym) };
			struct pd_reader r;
			struct pd pd;

			put_self(&pd, &self, how, good ? self.id : other);
			assert_int_equal(pd_open(&pd, &r), 0);
			s = pd_next(&r);
			ustack_symbolize(s->space, addr, &sym);
			assert_string_equal(sym.path, self.path);
			if (good)
				assert_string_equal(sym.name, "a_name_to_find");
			else
				assert_null(sym.name);
			pd_expect_end(&r, 0);
			pd_close(&r);
		}
	}
}

/* A million files and one: each has its id. */
static void many_build_ids(void **state)
{
	uint8_t rec[8 + 4 + 24 + 12] = { [12] = 1 }; /* header, pid, id, path */
	struct build_ids ids = { 0 };
	char *path = (char *)rec + 8 + 4 + 24;

	(void)state;
	for (int i = 0; i <= 1 << 20; i++) {
		snprintf(path, 12, "/%d", i);
		assert_int_equal(build_ids_add(&ids, rec, sizeof(rec)), 0);
	}
	assert_non_null(build_ids_find(&ids, path));
	build_ids_free(&ids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attr_sizes),
		cmocka_unit_test(several_attrs),
		cmocka_unit_test(build_ids),
		cmocka_unit_test(many_build_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
