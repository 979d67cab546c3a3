// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see memory.sh: the bytes of a capture are those of the
 * stack, as far as that goes and no further, wherever sp points; and no NMI
 * ever looks at them.
 */
#include <fcntl.h>
#include <linux/loop.h>
#include <pthread.h>
#include <sys/swap.h>

#include "guest.h"
#include "nmi_faults.h"

static uint8_t *map(void *at, size_t size, int prot, int flags)
{
	uint8_t *mem = mmap(at, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	check(mem != MAP_FAILED);
	return mem;
}

/* size bytes in a mapping of their own, whatever comes to lie beside it. */
static uint8_t *map_alone(size_t size)
{
	uint8_t *mem = map(NULL, size + 2 * PAGE, PROT_NONE, 0) + PAGE;

	check(!mprotect(mem, size, PROT_READ | PROT_WRITE));
	return mem;
}

/* A page fault with this stack pointer; nothing is pushed there. */
static NOINLINE struct capture sampled_at(struct ring *r, uint64_t sp)
{
	struct capture c;

	/* The same page each time: nothing new is mapped where holes matter. */
	if (!fresh)
		fresh_page();
	check(!madvise((void *)fresh, PAGE, MADV_DONTNEED));
	start(r);
	store_with_sp(sp, fresh);
	c = take(r);
	check(c.samples == 1 && c.records && !c.left);
	check(reg_of(r, &c, REG_SP) == sp);
	return c;
}

/* Where the capture ends. */
static uint64_t end_of(const struct capture *c)
{
	return c->range[c->ranges - 1].addr + c->range[c->ranges - 1].size;
}

/* Is it what the memory at @at has, with zeroes for what it leaves out? */
static bool is_same(const struct capture *c, const void *memory, uint64_t at, size_t size)
{
	uint8_t *flat = calloc(size, 1);
	bool same;

	check(flat);
	for (unsigned int i = 0; i < c->ranges; i++) {
		const struct range *r = &c->range[i];
		uint64_t from = r->addr > at ? r->addr : at;
		uint64_t to = r->addr + r->size < at + size ? r->addr + r->size : at + size;

		check(!i || r->addr >= r[-1].addr + r[-1].size);
		if (from < to)
			memcpy(flat + (from - at), r->mem + (from - r->addr), to - from);
	}
	same = !memcmp(flat, memory, size);
	free(flat);
	return same;
}

static bool is_live(const struct capture *c)
{
	const struct range *r = &c->range[0];

	return is_same(c, (void *)r->addr, r->addr, end_of(c) - r->addr);
}

/* --- large stacks --------------------------------------------------------------- */

#define DEEP (7 * MIB)

static void *deep_thread(void *top)
{
	struct perf_event_attr attr = base_attr(8 * MIB);
	struct ring r = open_ring(&attr, 0, -1);
	volatile uint64_t *frame = __builtin_alloca(DEEP);
	size_t words = PAGE / 8, i;
	struct capture c;

	/* Every other page is not there. */
	for (i = 0; i < DEEP / 8; i += 2 * words)
		for (size_t j = 0; j < words; j++)
			frame[i + j] = i + j;

	fresh_page();
	start(&r);
	fault();
	c = take(&r);
	check(c.samples == 1 && c.records > DEEP / (64 * KIB));
	check(c.range[0].addr <= (uintptr_t)frame && end_of(&c) == (uintptr_t)top);
	check(is_same(&c, (void *)frame, (uintptr_t)frame, DEEP));
	close_ring(&r);
	return NULL;
}

/*
 * A stack of 8 MiB, most of it in one frame, half of that never touched: all of
 * it comes, up to the end of its mapping.
 */
static void test_large(void)
{
	uint8_t *stack = map_alone(8 * MIB);
	pthread_attr_t attr;
	pthread_t id;

	check(!pthread_attr_init(&attr));
	check(!pthread_attr_setstack(&attr, stack, 8 * MIB));
	check(!pthread_create(&id, &attr, deep_thread, stack + 8 * MIB));
	check(!pthread_join(id, NULL));
}

/* No more than was asked for, if there is more. */
static void test_limit(void)
{
	struct perf_event_attr attr = base_attr(8 * MIB);
	struct ring r = open_ring(&attr, 0, -1);
	uint8_t *stack = map_alone(16 * MIB);
	struct capture c;

	for (size_t i = 0; i < 16 * MIB; i += 3 * PAGE)
		stack[i] = i / PAGE;
	c = sampled_at(&r, (uintptr_t)stack + 40);
	check(c.range[0].addr == (uintptr_t)stack + 40);
	check(end_of(&c) <= (uintptr_t)stack + 40 + 8 * MIB);
	check(end_of(&c) > (uintptr_t)stack + 40 + 8 * MIB - 3 * PAGE && is_live(&c));
	close_ring(&r);
}

/* The copy ends with the mapping, at sizes around those of pages and records. */
static void test_end(void)
{
	static const size_t sizes[] = {
		8, 16, 4088, 4096, 4104, 8192, 64504, 64512, 64520, 65528, 65536, 65544,
		129016, 129024, 129032, 131072,
	};
	struct perf_event_attr attr = base_attr(MIB);
	struct ring r = open_ring(&attr, 0, -1);
	uint8_t *stack = map_alone(256 * KIB), *sp;
	struct capture c;

	for (size_t i = 0; i < 256 * KIB; i++)
		stack[i] = i * 7 + i / PAGE;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		sp = stack + 256 * KIB - sizes[i];
		c = sampled_at(&r, (uintptr_t)sp);
		check(c.range[0].addr == (uintptr_t)sp);
		check(c.range[0].size == sizes[i] && is_live(&c));
	}
	close_ring(&r);
}

/* --- what is above the initial stack ----------------------------------------------- */

#define MARK "USTACK_MARK"
static const char secret[] = "v3ry-s3cr3t-th1ng";

static unsigned int records_with_secret(struct ring *r)
{
	unsigned int found = 0;
	struct record rec;

	while (ring_next(r, &rec))
		if (rec.size)
			found += !!memmem(rec.stack, rec.size, secret, strlen(secret));
	return found;
}

static NOINLINE void faults_and_calls(void)
{
	for (int i = 0; i < 100; i++) {
		fresh_page();
		fault();
		munmap((void *)fresh, PAGE);
	}
}

/* main() of a process that has the secret in its arguments and its environment. */
static int with_secret(void)
{
	static const char *const points[] = { "raw_syscalls/sys_enter", NULL };
	struct perf_event_attr attr;
	struct ring r;

	for (int i = 0; i < 3; i++) {
		if (i < 2)
			attr = points[i] ? tracepoint_attr(points[i], 8 * MIB) :
					   base_attr(8 * MIB);
		if (i == 2) {
			/* That they are found where they are to be found. */
			attr.defer_user = 0;
			attr.sample_stack_user = 48 * KIB;
			/*
			 * The kernel leaves up to 8 KiB free below the strings. A copy
			 * in the sample ends at a page there that nobody touched.
			 */
			for (char *at = environ[0]; at > (char *)&r; at -= PAGE)
				(void)*(volatile char *)at;
		}
		r = open_ring(&attr, 0, -1);
		start(&r);
		faults_and_calls();
		stop(&r);
		check(r.page->data_head);
		check(!records_with_secret(&r) == (i < 2));
		close_ring(&r);
	}
	return 0;
}

/* argv and the environment are in no record. */
static void test_secrets(void)
{
	char argument[64], variable[64];
	char *argv[] = { "memory", argument, NULL }, *envp[] = { variable, NULL };

	snprintf(argument, sizeof(argument), "--password=%s", secret);
	snprintf(variable, sizeof(variable), MARK "=%s", secret);
	execve("/proc/self/exe", argv, envp);
	fail("execve: %s", strerror(errno));
}

/* --- NMIs -------------------------------------------------------------------------- */

/* Swap on a loop device on a file in memory. */
static void swap_on(void)
{
	static uint64_t header[PAGE / 8];
	const size_t size = 16 * MIB;
	int file = memfd_create("swap", 0), control, loop, nr;
	char path[32];

	/* As mkswap does: version, last page, no bad ones; and the signature. */
	((uint32_t *)header)[256] = 1;
	((uint32_t *)header)[257] = size / PAGE - 1;
	memcpy((char *)header + PAGE - 10, "SWAPSPACE2", 10);
	check(file >= 0 && !ftruncate(file, size));
	check(pwrite(file, header, PAGE, 0) == PAGE);

	control = open("/dev/loop-control", O_RDWR);
	check(control >= 0);
	nr = ioctl(control, LOOP_CTL_GET_FREE);
	check(nr >= 0);
	snprintf(path, sizeof(path), "/dev/loop%d", nr);
	loop = open(path, O_RDWR);
	check(loop >= 0 && !ioctl(loop, LOOP_SET_FD, file));
	if (swapon(path, 0))
		fail("swapon %s: %s", path, strerror(errno));
	close(control);
	close(loop);
	close(file);
}

static bool is_swapped(const void *at)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry;

	check(fd >= 0);
	check(pread(fd, &entry, 8, (uintptr_t)at / PAGE * 8) == 8);
	close(fd);
	return entry >> 62 & 1;
}

/* Stack pages that are gone again and again: untouched ones, and ones in swap. */
static uint8_t *holey;
#define HOLEY (12 * PAGE)

static void punch(void)
{
	check(!madvise(holey + 4 * PAGE, 4 * PAGE, MADV_DONTNEED));
	check(!madvise(holey + 8 * PAGE, 4 * PAGE, MADV_PAGEOUT));
}

/* Computes for a while, with sp at the lowest word of the stack. */
static NOINLINE void spin_at_holey(void)
{
	spin_with_sp(holey, 20000);
}

static struct perf_event_attr nmi_attr(void)
{
	return on_nmis(base_attr(HOLEY), 200000);
}

static void make_holey(void)
{
	swap_on();
	holey = map_alone(HOLEY);
	for (size_t i = 0; i < HOLEY; i++)
		holey[i] = i < 4 * PAGE || i >= 8 * PAGE ? i / 16 + i / PAGE : 0;
	punch();
	for (int tries = 0; !is_swapped(holey + 8 * PAGE); tries++) {
		/* On a busy machine it takes a while. */
		check(tries < 10000);
		usleep(1000);
		punch();
	}
}

/*
 * NMIs do not fault on user memory: never with defer_user, and what was not
 * there comes nevertheless.
 */
static void test_nmi(void)
{
	struct perf_event_attr attr = nmi_attr();
	static uint8_t want[HOLEY];
	struct captures all = { 0 };
	unsigned int at_holey = 0;
	struct nmi_faults n;
	struct ring r;
	uint64_t faults;

	make_holey();
	memcpy(want, holey, HOLEY);
	r = open_ring(&attr, 0, -1);
	n = count_nmi_faults();
	start(&r);
	for (int round = 0; at_holey < 100; round++) {
		check(round < 20000);
		punch();
		spin_at_holey();
		take_all(&r, &all);
		at_holey = 0;
		for (size_t i = 0; i < all.nr; i++)
			at_holey += reg_of(&r, &all.at[i], REG_SP) ==
				    (uintptr_t)holey;
	}
	stop(&r);
	take_all(&r, &all);
	faults = nmi_faults(&n);
	printf("# %u captures of the holey stack, %" PRIu64 " faults in NMIs\n", at_holey,
	       faults);
	check(!faults);
	check(!all.lost && !all.no_cookie);
	for (size_t i = 0; i < all.nr; i++) {
		struct capture *c = &all.at[i];

		check(c->samples && c->records);
		if (reg_of(&r, c, REG_SP) != (uintptr_t)holey)
			continue;
		check(c->range[0].addr == (uintptr_t)holey && c->range[0].size == 4 * PAGE);
		check(c->ranges == 2 && end_of(c) == (uintptr_t)holey + HOLEY);
		check(is_same(c, want, (uintptr_t)holey, HOLEY));
	}
	close_ring(&r);
}

/* The same with the stack in the sample: there they do, and they get no further. */
static void test_nmi_legacy(void)
{
	struct perf_event_attr attr = nmi_attr();
	unsigned int samples = 0, cut = 0;
	struct record rec;
	struct nmi_faults n;
	struct ring r;
	uint64_t faults;

	attr.defer_user = 0;
	make_holey();
	r = open_ring(&attr, 0, -1);
	n = count_nmi_faults();
	start(&r);
	for (int round = 0; samples < 100; round++) {
		check(round < 20000);
		punch();
		spin_at_holey();
		while (ring_next(&r, &rec)) {
			if (rec.type != PERF_RECORD_SAMPLE || !rec.regs ||
			    rec.regs[0] != (uintptr_t)holey)
				continue;
			samples++;
			cut += rec.dyn_size < HOLEY;
		}
	}
	stop(&r);
	faults = nmi_faults(&n);
	printf("# %u samples, %u of them cut short, %" PRIu64 " faults in NMIs\n", samples,
	       cut, faults);
	check((faults || !TRACES_FAULTS) && cut);
	close_ring(&r);
}

/* --- what is not a stack ---------------------------------------------------------------- */

/*
 * Two pages that are mapped by number (VM_PFNMAP): the ring of an event. The
 * first is not all zeros.
 */
static uint8_t *map_device(void *at)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
	};
	int fd = open_event(&attr, 0, -1);
	uint8_t *mem;

	check(fd >= 0);
	mem = mmap(at, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | (at ? MAP_FIXED : 0),
		   fd, 0);
	check(mem != MAP_FAILED);
	return mem;
}

/* Whether the mapping has one of the flags, as smaps has them. */
static bool vma_has(const void *at, const char *flag1, const char *flag2)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	uintptr_t from, to;
	bool here = false;
	char line[512];

	check(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2)
			here = (uintptr_t)at >= from && (uintptr_t)at < to;
		else if (here && !strncmp(line, "VmFlags:", 8))
			break;
	}
	fclose(f);
	check(here);
	return strstr(line, flag1) || strstr(line, flag2);
}

static void test_device(void)
{
	struct perf_event_attr attr = base_attr(64 * KIB);
	struct ring r = open_ring(&attr, 0, -1);
	uint8_t *device = map_device(NULL), *mem;
	struct capture c;

	check(vma_has(device, " pf", " io"));
	for (size_t i = 0; i < 2 * PAGE; i += PAGE / 2) {
		c = sampled_at(&r, (uintptr_t)device + i);
		check(!c.range[0].size);
	}

	/* A stack that ends where the device begins. */
	mem = map(NULL, 6 * PAGE, PROT_READ | PROT_WRITE, 0);
	memset(mem, 0x11, 2 * PAGE);
	map_device(mem + 2 * PAGE);
	for (size_t i = 8; i <= 2 * PAGE; i += 1016) {
		c = sampled_at(&r, (uintptr_t)mem + 2 * PAGE - i);
		check(c.range[0].size == i && is_live(&c));
	}

	/* A hole, and then the device. */
	check(!munmap(mem, 2 * PAGE));
	c = sampled_at(&r, (uintptr_t)mem + PAGE);
	check(!c.range[0].size);
	close_ring(&r);
}

/* Every process has some: the clock pages of its vDSO. */
static void test_vdso_clock(void)
{
	struct perf_event_attr attr = base_attr(64 * KIB);
	struct ring r = open_ring(&attr, 0, -1);
	const char *name = CLOCK_PAGES;
	uintptr_t at = 0;
	struct capture c;
	char line[256];
	FILE *f;

	only_if(name, "the vDSO's pages are ordinary ones");
	f = fopen("/proc/self/maps", "r");
	check(f);
	while (!at && fgets(line, sizeof(line), f))
		if (strstr(line, name))
			check(sscanf(line, "%" SCNxPTR, &at) == 1);
	fclose(f);
	check(at && vma_has((void *)at, " pf", " io"));
	c = sampled_at(&r, at);
	check(!c.range[0].size);
	c = sampled_at(&r, at + PAGE - 8);
	check(!c.range[0].size);
	close_ring(&r);
}

/* Nowhere: the registers come, and no stack. */
static void test_wild(void)
{
	const uint64_t wild[] = {
		0,
		1,
		8,
		PAGE,
		0x7fffffffe000, /* the last page before TASK_SIZE_MAX */
		0x7fffffffeff8,
		0x7ffffffff000,
		0x7ffffffffff8,
		0x800000000000, /* not canonical */
		0xffff7ffffffffff8,
		0xffff800000000000, /* the kernel's */
		0xffff888000000000,
		0xffffffff81000000,
		0xffffffffff600000, /* vsyscall */
		0xfffffffffffff000,
		0xffffffffffffffff,
		(uintptr_t)environ[0], /* above mm->start_stack */
	};
	struct perf_event_attr attr = base_attr(8 * MIB);
	struct ring r = open_ring(&attr, 0, -1);
	uint8_t *none = map(NULL, 4 * PAGE, PROT_NONE, 0);
	struct capture c;

	for (size_t i = 0; i < sizeof(wild) / sizeof(*wild); i++) {
		c = sampled_at(&r, wild[i]);
		if (c.range[0].size)
			fail("bytes from %#" PRIx64, wild[i]);
	}
	c = sampled_at(&r, (uintptr_t)none + PAGE);
	check(!c.range[0].size);
	c = sampled_at(&r, (uintptr_t)none + 4 * PAGE - 8);
	check(!c.range[0].size);
	close_ring(&r);
}

/* The top byte of an address is the program's on arm64: memory has none. */
static void test_tagged(void)
{
	struct perf_event_attr attr = base_attr(2 * PAGE);
	uint8_t *mem = map_alone(PAGE);
	uint64_t tag = 0xa5ull << 56;
	struct ring r;
	struct capture c;

	only_if(TOP_BYTE_IGNORED, "sp with a tag");
	memset(mem, 0x77, PAGE);
	r = open_ring(&attr, 0, -1);
	c = sampled_at(&r, (uintptr_t)mem | tag);
	check(c.ranges == 1 && c.range[0].addr == (uintptr_t)mem && c.range[0].size == PAGE);
	check(is_same(&c, mem, (uintptr_t)mem, PAGE));
	/* Of the kernel's addresses the tag makes no others. */
	c = sampled_at(&r, 0xffff000000000000 | (uintptr_t)mem);
	check(!c.range[0].size);
	close_ring(&r);
}

/* A stack that is not readable where sp is, or not all the way. */
static void test_unreadable(void)
{
	struct perf_event_attr attr = base_attr(64 * KIB);
	struct ring r = open_ring(&attr, 0, -1);
	uint8_t *mem = map_alone(8 * PAGE);
	struct capture c;

	memset(mem, 0x22, 8 * PAGE);
	check(!mprotect(mem + 4 * PAGE, PAGE, PROT_NONE));
	c = sampled_at(&r, (uintptr_t)mem + 2 * PAGE);
	check(c.range[0].size == 2 * PAGE && is_live(&c));
	c = sampled_at(&r, (uintptr_t)mem + 4 * PAGE + 8);
	check(!c.range[0].size);
	c = sampled_at(&r, (uintptr_t)mem + 5 * PAGE);
	check(c.range[0].size == 3 * PAGE && is_live(&c));
	/* A file that ends before its mapping does: SIGBUS to who looks. */
	{
		int fd = memfd_create("short", 0);

		check(fd >= 0 && !ftruncate(fd, PAGE));
		mem = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		check(mem != MAP_FAILED);
		c = sampled_at(&r, (uintptr_t)mem + PAGE - 64);
		check(c.range[0].size == 64 && is_live(&c));
		c = sampled_at(&r, (uintptr_t)mem + PAGE + 64);
		check(!c.range[0].size);
	}
	close_ring(&r);
}

/* sp need not be a multiple of 8, what is copied begins at one. */
static void test_misaligned(void)
{
	struct perf_event_attr attr = base_attr(64 * KIB);
	struct ring r = open_ring(&attr, 0, -1);
	uint8_t *mem = map_alone(2 * PAGE);
	struct capture c;

	for (size_t i = 0; i < 2 * PAGE; i++)
		mem[i] = i * 7;
	for (size_t i = 1; i < 8; i++) {
		c = sampled_at(&r, (uintptr_t)mem + PAGE - 64 + i);
		check(c.range[0].addr == (uintptr_t)mem + PAGE - 64 + i);
		check(c.range[0].size == PAGE + 64 - i && is_live(&c));
	}
	close_ring(&r);
}

/* A stack that has yet to grow to where sp is: what there is of it. */
static void test_growsdown(void)
{
	struct perf_event_attr attr = base_attr(64 * KIB);
	struct ring r = open_ring(&attr, 0, -1);
	uint8_t *room = map(NULL, MIB, PROT_NONE, 0), *stack = room + MIB - 4 * PAGE;
	struct capture c;

	check(!munmap(room, MIB));
	check(map(stack, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_GROWSDOWN | MAP_FIXED) == stack);
	memset(stack, 0x33, 4 * PAGE);
	for (size_t below = 8; below <= 128 * KIB; below *= 8) {
		c = sampled_at(&r, (uintptr_t)stack - below);
		check(c.range[0].addr == (uintptr_t)stack);
		check(c.range[0].size == 4 * PAGE && is_live(&c));
		/* And it did not make it grow. */
		check(msync(stack - PAGE, PAGE, MS_ASYNC) && errno == ENOMEM);
	}
	close_ring(&r);
}

/* --- a stack that somebody else changes ------------------------------------------------ */

#define SHARED (64 * KIB)
static uint8_t *shared;
static volatile bool done;

/* All that can be done to a mapping; at the end of each turn its bytes are 0x44. */
static void *change(void *arg)
{
	uint8_t *other = map_alone(SHARED), *was;
	int turn = 0;

	(void)arg;
	while (!done) {
		switch (turn++ % 6) {
		case 0:
			check(!munmap(shared, SHARED));
			break;
		case 1:
			check(!mprotect(shared + SHARED / 2, SHARED / 2, PROT_NONE));
			break;
		case 2:
			was = mremap(shared, SHARED, SHARED, MREMAP_MAYMOVE | MREMAP_FIXED,
				     other);
			check(was == other);
			memset(other, 0, SHARED);
			break;
		case 3:
			check(!madvise(shared, SHARED, MADV_DONTNEED));
			break;
		case 4:
			check(!munmap(shared + PAGE, SHARED - PAGE));
			map_device(shared + PAGE);
			break;
		case 5:
			check(!madvise(shared, SHARED, MADV_PAGEOUT));
			break;
		}
		check(map(shared, SHARED, PROT_READ | PROT_WRITE, MAP_FIXED) == shared);
		memset(shared, 0x44, SHARED);
	}
	return NULL;
}

/* Bytes are the stack's at one time or another, and never the device's. */
static void check_bytes(const struct captures *all)
{
	check(!all->lost && !all->no_cookie);
	for (size_t i = 0; i < all->nr; i++) {
		const struct capture *c = &all->at[i];

		check(c->samples && c->records && !c->left);
		for (unsigned int n = 0; n < c->ranges; n++) {
			const struct range *r = &c->range[n];

			check(r->size <= SHARED);
			for (size_t j = 0; j < r->size; j++)
				if (r->mem[j] && r->mem[j] != 0x44)
					fail("byte %zu is %#x", j, r->mem[j]);
		}
	}
}

static void test_shared(void)
{
	struct perf_event_attr attr = tracepoint_attr("raw_syscalls/sys_enter", MIB);
	unsigned int captured = 0;
	struct ring r;
	pthread_t id;

	swap_on();
	shared = map_alone(SHARED);
	memset(shared, 0x44, SHARED);
	r = open_ring(&attr, 0, -1);
	set_filter(&r, IS_GETPPID);
	check(!pthread_create(&id, NULL, change, NULL));
	start(&r);
	for (int round = 0; round < 100; round++) {
		struct captures all = { 0 };

		for (int i = 0; i < 20; i++)
			call_with_sp(shared, SYS_getppid);
		take_all(&r, &all);
		check(all.nr == 20);
		check_bytes(&all);
		for (size_t i = 0; i < all.nr; i++) {
			captured += !!all.at[i].range[0].size;
			for (unsigned int n = 0; n < all.at[i].ranges; n++)
				free(all.at[i].range[n].mem);
			free(all.at[i].range);
		}
		free(all.at);
	}
	done = true;
	check(!pthread_join(id, NULL));
	stop(&r);
	printf("# %u of 2000 captures with a stack\n", captured);
	close_ring(&r);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "large", test_large },
		{ "limit", test_limit },
		{ "end", test_end },
		{ "secrets", test_secrets },
		{ "nmi", test_nmi },
		{ "nmi_legacy", test_nmi_legacy },
		{ "device", test_device },
		{ "vdso_clock", test_vdso_clock },
		{ "wild", test_wild },
		{ "tagged", test_tagged },
		{ "unreadable", test_unreadable },
		{ "misaligned", test_misaligned },
		{ "growsdown", test_growsdown },
		{ "shared", test_shared },
	};

	if (getenv(MARK))
		return with_secret();
	return run_tests(tests, sizeof(tests) / sizeof(*tests), argc, argv);
}
