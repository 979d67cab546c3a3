// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A plugin of QEMU that counts the kernel's instructions on behalf of samples:
 *   vm --plugin parts.so,map=SYSTEM.MAP,out=FILE
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
 * line for each function that ran: RUN PART FUNCTION INSTRUCTIONS.
 *
 * Debian ships no header of the interface; it is declared here as version 1 of
 * it has been since QEMU 4.2.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
static struct level {
	int base, part;
} levels[64];
static unsigned int depth;

static void execute(unsigned int cpu, void *arg)
{
	const struct place *p = arg;
	struct level *l;

	(void)cpu;
	if (p->enters) {
		if (depth < 63)
			depth++;
		levels[depth] = (struct level){ p->function->entry, p->function->entry };
	}
	l = &levels[depth];
	if (!p->enters && p->function->marker >= 0)
		l->part = p->function->marker == BASE ? l->base : p->function->marker;
	p->function->count[l->part]++;
	if (p->leaves && depth)
		depth--;
}

static void pass_mark(unsigned int cpu, void *arg)
{
	(void)cpu;
	(void)arg;
	marks++;
	for (size_t i = 0; i < nr_functions; i++) {
		for (int part = 0; part < PARTS; part++) {
			uint64_t n = functions[i].count[part];

			functions[i].count[part] = 0;
			if (n && marks % 2 == 0)
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

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t address = qemu_plugin_insn_vaddr(insn);
		struct place *p;

		if (is(insn, "\x0f\x1f\x84\x00" "benc", 8))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, pass_mark, 0, NULL);
		if (address < functions[0].address)
			continue;
		/* As the code it stands for: QEMU keeps both to the end. */
		p = malloc(sizeof(*p));
		if (!p)
			abort();
		p->function = function_of(address);
		p->enters = p->function->entry >= 0 && address == p->function->address;
		p->leaves = is(insn, "\x48\xcf", 2) || is(insn, "\x48\x0f\x07", 3);
		qemu_plugin_register_vcpu_insn_exec_cb(insn, execute, 0, p);
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
