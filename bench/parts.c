// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A plugin of QEMU that counts the kernel's instructions on behalf of samples:
 *   vm --plugin parts.so,map=SYSTEM.MAP,out=FILE[,caches=on]
 *
 * An instruction belongs to the part
 *   nmi     from asm_exc_nmi to its iret
 *   ipi     from asm_sysvec_irq_work to its iret, but for:
 *   exit    deferred work on the way back to user mode, but for:
 *   output  writing what was deferred into the rings
 * exit and output are functions of the table below and all that these call: a
 * part lasts until an instruction of a function of another part.
 *
 * At every second mark of bench/sampler.c, which surround a run, FILE gets a
 * line for each function that ran: RUN PART FUNCTION INSTRUCTIONS. With caches
 * it is a line for each cache of caches.h and part that missed in it: RUN PART
 * CACHE MISSES; what user mode does is in the part other.
 *
 * Debian ships no header of the interface; it is declared here as version 1 of
 * it has been since QEMU 4.2.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caches.h"

#define MAX_CPUS 8

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
	void (*cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
	void (*cb)(unsigned int cpu, void *arg), int flags, void *arg);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
	void (*cb)(unsigned int cpu, uint32_t info, uint64_t address, void *arg),
	int flags, int reads_writes, void *arg);
unsigned int qemu_plugin_mem_size_shift(uint32_t info);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(uint32_t info, uint64_t address);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *place);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *place);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum part { NONE, NMI, IPI, EXIT, OUTPUT, PARTS };

static const char *const part_names[PARTS] = { "other", "nmi", "ipi", "exit", "output" };

/* Where the kernel is entered, and for what. */
static const struct {
	const char *name;
	enum part part;
} entries[] = {
	{ "asm_exc_nmi", NMI },
	{ "asm_sysvec_irq_work", IPI },
	{ "asm_sysvec_*", NONE },
	{ "asm_exc_*", NONE },
	{ "asm_common_interrupt", NONE },
	{ "entry_SYSCALL_64", NONE },
};

/* Functions that say what goes on. BASE: what the kernel was entered for. */
#define BASE PARTS
static const struct {
	const char *name;
	int part;
} markers[] = {
	{ "task_work_run", EXIT },
	{ "unwind_deferred_task_work", EXIT },
	{ "perf_unwind_deferred_callback", EXIT },
	{ "perf_defer_callback", EXIT },
	{ "perf_defer_capture", EXIT },
	{ "perf_callchain_deferred_output", OUTPUT },
	{ "perf_defer_output", OUTPUT },
	{ "exit_to_user_mode_loop", BASE },
	{ "irqentry_exit", BASE },
	{ "syscall_exit_to_user_mode", BASE },
	{ "do_syscall_64", BASE },
	/* What else is on the way: the end of a task, other tasks, files that were closed. */
	{ "do_exit", BASE },
	{ "__schedule", BASE },
	{ "____fput", BASE },
};

struct function {
	uint64_t address;
	uint64_t count[PARTS];
	char *name;
	int entry, marker; /* a part, -1 */
};

/* What an instruction is for the count: the function, and its special role. */
struct place {
	struct function *function;
	bool enters, leaves;
};

static struct function *functions;
static size_t nr_functions;
static FILE *out;
static uint64_t marks;

/* The kernel is entered while it is in use: what it did before. */
static struct cpu {
	struct level {
		int base, part;
	} levels[64];
	unsigned int depth;
} cpus[MAX_CPUS];

enum { L1D, L1I, L2, CACHES };

static const char *const cache_names[CACHES] = { "l1d", "l1i", "l2" };
static uint64_t misses[PARTS][CACHES];
static bool caches;

static void execute(unsigned int cpu, void *arg)
{
	const struct place *p = arg;
	struct cpu *c = &cpus[cpu];
	struct level *l;

	if (p->enters) {
		if (c->depth < 63)
			c->depth++;
		c->levels[c->depth] = (struct level){ p->function->entry, p->function->entry };
	}
	l = &c->levels[c->depth];
	if (!p->enters && p->function->marker >= 0)
		l->part = p->function->marker == BASE ? l->base : p->function->marker;
	p->function->count[l->part]++;
	if (p->leaves && c->depth)
		c->depth--;
}

static void touch(unsigned int cpu, struct cache *first, int which, uint64_t line)
{
	uint64_t *missed = misses[cpus[cpu].levels[cpus[cpu].depth].part];

	if (!cache_has(first, line)) {
		missed[which]++;
		missed[L2] += !cache_has(&l2, line);
	}
}

static void fetch(unsigned int cpu, void *arg)
{
	touch(cpu, &l1i, L1I, (uintptr_t)arg);
}

static void access(unsigned int cpu, uint32_t info, uint64_t address, void *arg)
{
	const struct qemu_plugin_hwaddr *place = qemu_plugin_get_hwaddr(info, address);
	uint64_t first, last;

	(void)arg;
	if (!place || qemu_plugin_hwaddr_is_io(place))
		return;
	first = qemu_plugin_hwaddr_phys_addr(place);
	last = first + (1u << qemu_plugin_mem_size_shift(info)) - 1;
	for (uint64_t line = first >> LINE_SHIFT; line <= last >> LINE_SHIFT; line++)
		touch(cpu, &l1d, L1D, line);
}

static void pass_mark(unsigned int cpu, void *arg)
{
	(void)cpu;
	(void)arg;
	marks++;
	for (int part = 0; part < PARTS && caches; part++)
		for (int i = 0; i < CACHES; i++) {
			if (misses[part][i] && marks % 2 == 0)
				fprintf(out, "%lu %s %s %lu\n", marks / 2, part_names[part],
					cache_names[i], misses[part][i]);
			misses[part][i] = 0;
		}
	for (size_t i = 0; i < nr_functions; i++) {
		for (int part = 0; part < PARTS; part++) {
			uint64_t n = functions[i].count[part];

			functions[i].count[part] = 0;
			if (n && marks % 2 == 0 && !caches)
				fprintf(out, "%lu %s %s %lu\n", marks / 2, part_names[part],
					functions[i].name, n);
		}
	}
	fflush(out);
}

static struct function *function_of(uint64_t address)
{
	size_t low = 0, high = nr_functions;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (functions[middle].address <= address)
			low = middle;
		else
			high = middle;
	}
	return &functions[low];
}

static bool is(struct qemu_plugin_insn *insn, const char *bytes, size_t size)
{
	return qemu_plugin_insn_size(insn) == size &&
	       !memcmp(qemu_plugin_insn_data(insn), bytes, size);
}

static void register_place(struct qemu_plugin_insn *insn, uint64_t address)
{
	/* As the code it stands for: QEMU keeps both to the end. */
	struct place *p = malloc(sizeof(*p));

	if (!p)
		abort();
	p->function = function_of(address);
	p->enters = p->function->entry >= 0 && address == p->function->address;
	p->leaves = is(insn, "\x48\xcf", 2) || is(insn, "\x48\x0f\x07", 3);
	qemu_plugin_register_vcpu_insn_exec_cb(insn, execute, 0, p);
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	uint64_t line = 0;

	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t address = qemu_plugin_insn_vaddr(insn);

		if (is(insn, "\x0f\x1f\x84\x00" "benc", 8))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, pass_mark, 0, NULL);
		if (address >= functions[0].address)
			register_place(insn, address);
		if (!caches)
			continue;
		qemu_plugin_register_vcpu_mem_cb(insn, access, 0, 3, NULL);
		if (!i || address >> LINE_SHIFT != line) {
			/* Code is in the caches by its own address, data by where it is in memory. */
			line = address >> LINE_SHIFT;
			qemu_plugin_register_vcpu_insn_exec_cb(insn, fetch, 0, (void *)line);
		}
	}
}

static bool matches(const char *pattern, const char *name)
{
	size_t n = strcspn(pattern, "*");

	return pattern[n] ? !strncmp(pattern, name, n) : !strcmp(pattern, name);
}

static void add_function(uint64_t address, const char *name)
{
	struct function *f;

	/* Of several names of an address the first. */
	if (nr_functions && functions[nr_functions - 1].address == address) {
		f = &functions[nr_functions - 1];
	} else {
		functions = realloc(functions, (nr_functions + 1) * sizeof(*f));
		if (!functions)
			abort();
		f = &functions[nr_functions++];
		*f = (struct function){ .address = address, .name = strdup(name), .entry = -1, .marker = -1 };
	}
	for (size_t i = 0; i < sizeof(markers) / sizeof(markers[0]); i++)
		if (!strcmp(markers[i].name, name))
			f->marker = markers[i].part;
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		if (matches(entries[i].name, name)) {
			f->entry = entries[i].part;
			break;
		}
	}
}

__attribute__((visibility("default"))) int
qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	const char *map = NULL, *file = NULL;
	char line[512], name[400], type;
	uint64_t address;
	FILE *f;

	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "map=", 4))
			map = argv[i] + 4;
		else if (!strncmp(argv[i], "out=", 4))
			file = argv[i] + 4;
		else if (!strcmp(argv[i], "caches=on"))
			caches = true;
	}
	f = map ? fopen(map, "r") : NULL;
	out = file ? fopen(file, "w") : NULL;
	if (!f || !out) {
		fprintf(stderr, "parts: give map=SYSTEM.MAP, which can be read, and out=FILE, which can be written\n");
		return 1;
	}
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx %c %399s", &address, &type, name) == 3 &&
		    (type == 't' || type == 'T' || type == 'w' || type == 'W') &&
		    address >> 63)
			add_function(address, name);
	fclose(f);
	if (!nr_functions) {
		fprintf(stderr, "parts: %s has no function\n", map);
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	return 0;
}
