// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* elfutils' libdw as the unwinder: a Dwfl that is attached to a captured stack. */
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "module/images.h"
#include "reference/backend.h"

#define THREAD 1		/* any number: there is one */

/* One address space. */
struct dw {
	Dwfl *dwfl;
	bool attached;
	struct reference_stack *stack;	/* that is unwound now */
};

/*
 * The image itself has to do: a separate file would be inflated for every
 * process anew, wherever .eh_frame does not cover a pc.
 */
static int find_debuginfo(Dwfl_Module *mod, void **userdata, const char *name,
			  Dwarf_Addr base, const char *file, const char *link,
			  GElf_Word crc, char **out)
{
	(void)mod;
	(void)userdata;
	(void)name;
	(void)base;
	(void)file;
	(void)link;
	(void)crc;
	(void)out;
	return -1;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = find_debuginfo,
};

static void *dw_open(void)
{
	struct dw *dw = calloc(1, sizeof(*dw));

	if (!dw)
		return NULL;
	dw->dwfl = dwfl_begin(&callbacks);
	if (!dw->dwfl) {
		free(dw);
		return NULL;
	}
	return dw;
}

static void dw_close(void *own)
{
	struct dw *dw = own;

	dwfl_end(dw->dwfl);
	free(dw);
}

/* The file at path, or a copy of the image if that is not its file. */
static int image_fd(const struct image *image, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && !fstat(fd, &st) && (size_t)st.st_size == image->size)
		return fd;
	if (fd >= 0)
		close(fd);
	fd = memfd_create(image->origin->path, MFD_CLOEXEC);
	if (fd >= 0 && write(fd, image->data, image->size) !=
			       (ssize_t)image->size) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Tells libdw of the module at pc, if it does not know it yet. */
static void report(struct dw *dw, uint64_t pc)
{
	const struct ustack_images *images = dw->stack->space->images;
	const struct image *image;
	const struct map *map;
	char *path = NULL;
	int fd;

	if (dwfl_addrmodule(dw->dwfl, pc))
		return;
	map = reference_map(dw->stack, pc);
	if (!map)
		return;
	image = map->image;
	if (asprintf(&path, "%s%s", images->opts.root, image->origin->path) < 0)
		return;
	fd = image_fd(image, path);
	dwfl_report_begin_add(dw->dwfl);
	if (!dwfl_report_elf(dw->dwfl, image->origin->path, path, fd, map->bias, true) &&
	    fd >= 0)
		close(fd);
	dwfl_report_end(dw->dwfl, NULL, NULL);
	free(path);
}

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread_arg)
{
	(void)dwfl;
	if (*thread_arg)
		return 0;
	*thread_arg = arg;
	return THREAD;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *arg, void **thread_arg)
{
	(void)dwfl;
	*thread_arg = arg;
	return tid == THREAD;
}

static bool memory_read(Dwfl *dwfl, Dwarf_Addr addr, Dwarf_Word *word,
			void *arg)
{
	struct dw *dw = arg;

	(void)dwfl;
	return !reference_read(dw->stack, addr, word);
}

static bool set_initial_registers(Dwfl_Thread *thread, void *arg)
{
	const struct dw *dw = arg;
	const struct cpu *cpu = &dw->stack->cpu;

	for (unsigned int reg = 0; reg < NR_REGS; reg++)
		if (cpu_knows(cpu, reg) &&
		    !dwfl_thread_state_registers(thread, reg, 1,
						 &cpu->reg[reg]))
			return false;
	return true;
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = memory_read,
	.set_initial_registers = set_initial_registers,
};

static int frame(Dwfl_Frame *state, void *arg)
{
	struct dw *dw = arg;
	struct reference_stack *stack = dw->stack;
	Dwarf_Addr pc;
	bool exact;

	if (!dwfl_frame_pc(state, &pc, NULL) || stack->nr == stack->max)
		return DWARF_CB_ABORT;
	/* Whether it is exact is known by a step, which needs the module. */
	report(dw, pc - (stack->nr != 0));
	stack->faulted = false;
	dwfl_frame_pc(state, &pc, &exact);
	stack->frames[stack->nr++] = (struct ustack_frame){
		.ip = pc,
		.flags = exact ? 0 : USTACK_FRAME_RETURN,
	};
	return DWARF_CB_OK;
}

static enum ustack_end dw_unwind(void *own, struct reference_stack *stack)
{
	struct dw *dw = own;

	dw->stack = stack;
	if (!dw->attached) {
		/* Attaching asks the modules for the machine. */
		report(dw, stack->cpu.reg[REG_PC]);
		dw->attached = dwfl_attach_state(dw->dwfl, NULL, THREAD,
						 &thread_callbacks, dw);
	}
	if (!dw->attached) {
		stack->nr = 1;
		return USTACK_END_NO_RULE;
	}
	switch (dwfl_getthread_frames(dw->dwfl, THREAD, frame, dw)) {
	case 0:
		/* To libdw a return address that is not there is the end, too. */
		return stack->faulted ? reference_end(stack) : USTACK_END_FINISHED;
	case DWARF_CB_ABORT:
		return USTACK_END_LIMIT;
	default:
		return reference_end(stack);
	}
}

const struct reference_ops reference_libdw = {
	.open = dw_open,
	.close = dw_close,
	.unwind = dw_unwind,
};
