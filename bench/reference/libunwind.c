// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* libunwind as the unwinder: an address space whose memory is a captured stack. */
/* With more, libc's register numbers have the names of ours. */
#undef _GNU_SOURCE
#define _POSIX_C_SOURCE 200809L
#include <libunwind.h>
#include <string.h>

#include "module/images.h"
#include "reference/backend.h"

/* Exported for those who find the table themselves, but not declared. */
#define search_unwind_table UNW_OBJ(dwarf_search_unwind_table)
extern int search_unwind_table(unw_addr_space_t as, unw_word_t ip,
			       unw_dyn_info_t *di, unw_proc_info_t *pi,
			       int need_unwind_info, void *arg);

/* .eh_frame_hdr as every linker writes it: all of it relative, in 4 bytes. */
#define HDR_FORMAT 0x3b031b01
#define HDR_SIZE 12
#define HDR_ENTRY 8

static int find_proc_info(unw_addr_space_t as, unw_word_t ip,
			  unw_proc_info_t *pi, int need_unwind_info, void *arg)
{
	struct reference_stack *stack = arg;
	const struct map *map = reference_map(stack, ip);
	const struct section *hdr;
	unw_dyn_info_t di = { .format = UNW_INFO_FORMAT_REMOTE_TABLE };
	uint32_t word[3];	/* format, .eh_frame, number of entries */

	if (!map)
		return -UNW_ENOINFO;
	hdr = &map->image->eh_frame_hdr;
	if (!hdr->data || hdr->size < HDR_SIZE)
		return -UNW_ENOINFO;
	memcpy(word, hdr->data, sizeof(word));
	if (word[0] != HDR_FORMAT ||
	    word[2] > (hdr->size - HDR_SIZE) / HDR_ENTRY)
		return -UNW_ENOINFO;
	/* Where access_mem() finds the tables: recorded maps are those of code. */
	stack->image = map->image;
	stack->bias = map->bias;
	di.start_ip = map->start;
	di.end_ip = map->end;
	di.u.rti.segbase = map->bias + hdr->vaddr;
	di.u.rti.table_data = map->bias + hdr->vaddr + HDR_SIZE;
	di.u.rti.table_len = (uint64_t)word[2] * HDR_ENTRY / sizeof(unw_word_t);
	return search_unwind_table(as, ip, &di, pi, need_unwind_info, arg);
}

static void put_unwind_info(unw_addr_space_t as, unw_proc_info_t *pi, void *arg)
{
	(void)as;
	(void)pi;
	(void)arg;
}

static int get_dyn_info_list_addr(unw_addr_space_t as, unw_word_t *addr,
				  void *arg)
{
	(void)as;
	(void)addr;
	(void)arg;
	return -UNW_ENOINFO;
}

static int access_mem(unw_addr_space_t as, unw_word_t addr, unw_word_t *val,
		      int write, void *arg)
{
	struct reference_stack *stack = arg;
	const uint8_t *p;
	size_t left;

	(void)as;
	if (write)
		return -UNW_EINVAL;
	if (stack->image && !mem_range(&stack->mem, addr)) {
		p = image_at(stack->image, addr - stack->bias, &left);
		if (p && left >= sizeof(*val)) {
			memcpy(val, p, sizeof(*val));
			return 0;
		}
	}
	return reference_read(stack, addr, val) ? -UNW_EINVAL : 0;
}

/* libunwind's numbers are those of DWARF, as ours. */
static int access_reg(unw_addr_space_t as, unw_regnum_t reg, unw_word_t *val,
		      int write, void *arg)
{
	const struct reference_stack *stack = arg;

	(void)as;
	if (write)
		return -UNW_EINVAL;
	if ((unsigned int)reg >= NR_REGS || !cpu_knows(&stack->cpu, reg))
		return -UNW_EBADREG;
	*val = stack->cpu.reg[reg];
	return 0;
}

static int access_fpreg(unw_addr_space_t as, unw_regnum_t reg, unw_fpreg_t *val,
			int write, void *arg)
{
	(void)as;
	(void)reg;
	(void)val;
	(void)write;
	(void)arg;
	return -UNW_EBADREG;
}

static int resume(unw_addr_space_t as, unw_cursor_t *cursor, void *arg)
{
	(void)as;
	(void)cursor;
	(void)arg;
	return -UNW_EINVAL;
}

static int get_proc_name(unw_addr_space_t as, unw_word_t addr, char *buf,
			 size_t size, unw_word_t *off, void *arg)
{
	(void)as;
	(void)addr;
	(void)buf;
	(void)size;
	(void)off;
	(void)arg;
	return -UNW_EINVAL;
}

static void *unw_open(void)
{
	static unw_accessors_t accessors = {
		.find_proc_info = find_proc_info,
		.put_unwind_info = put_unwind_info,
		.get_dyn_info_list_addr = get_dyn_info_list_addr,
		.access_mem = access_mem,
		.access_reg = access_reg,
		.access_fpreg = access_fpreg,
		.resume = resume,
		.get_proc_name = get_proc_name,
	};
	unw_addr_space_t as = unw_create_addr_space(&accessors, 0);

	if (as)
		unw_set_caching_policy(as, UNW_CACHE_GLOBAL);
	return as;
}

static void unw_close(void *own)
{
	unw_destroy_addr_space(own);
}

static enum ustack_end unw_unwind(void *own, struct reference_stack *stack)
{
	unw_cursor_t cursor;
	uint32_t flags = 0;
	int ret;

	if (unw_init_remote(&cursor, own, stack)) {
		stack->nr = 1;
		return USTACK_END_NO_REGS;
	}
	for (;;) {
		unw_word_t ip;

		if (unw_get_reg(&cursor, UNW_REG_IP, &ip))
			return USTACK_END_NO_REGS;
		/* It steps once more where the return address is 0. */
		if (!ip)
			return USTACK_END_FINISHED;
		if (stack->nr == stack->max)
			return USTACK_END_LIMIT;
		stack->frames[stack->nr++] = (struct ustack_frame){
			.ip = ip,
			.flags = flags,
		};
		flags = unw_is_signal_frame(&cursor) > 0 ? 0 :
							   USTACK_FRAME_RETURN;
		stack->faulted = false;
		ret = unw_step(&cursor);
		if (!ret)
			return USTACK_END_FINISHED;
		if (ret < 0)
			return reference_end(stack);
	}
}

const struct reference_ops reference_libunwind = {
	.open = unw_open,
	.close = unw_close,
	.unwind = unw_unwind,
};
