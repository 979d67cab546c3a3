// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Runs in the guest, see bpf.sh: a BPF program at an event says what becomes of a
 * sample, and asks for its callchain.
 */
#include <linux/bpf.h>

#include "guest.h"

#define INSN(c, d, s, o, i) \
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define MOV_IMM(d, i) INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define MOV(d, s) INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define ADD_IMM(d, i) INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define STORE_IMM(d, o, i) INSN(BPF_ST | BPF_MEM | BPF_W, d, 0, o, i)
#define STORE(d, o, s) INSN(BPF_STX | BPF_MEM | BPF_DW, d, s, o, 0)
#define MAP(d, fd) \
	INSN(BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_FD, 0, fd), INSN(0, 0, 0, 0, 0)
#define CALL(f) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define EXIT INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int load(const struct bpf_insn *insns, size_t nr)
{
	static char log[65536];
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_PERF_EVENT,
		.insns = (uintptr_t)insns,
		.insn_cnt = nr,
		.license = (uintptr_t)"GPL",
		.log_buf = (uintptr_t)log,
		.log_size = sizeof(log),
		.log_level = 1,
	};
	int fd = bpf(BPF_PROG_LOAD, &attr);

	if (fd < 0)
		fail("BPF_PROG_LOAD: %s: %s", strerror(errno), log);
	return fd;
}

static struct ring with_program(struct perf_event_attr attr, int program)
{
	struct ring r = open_ring(&attr, 0, -1);

	check(!ioctl(r.fd, PERF_EVENT_IOC_SET_BPF, program));
	return r;
}

/* A sample that the program drops asks for no stack. */
static void test_drop(void)
{
	for (int keep = 0; keep < 2; keep++) {
		const struct bpf_insn insns[] = { MOV_IMM(BPF_REG_0, keep), EXIT };
		struct ring r = with_program(base_attr(KIB), load(insns, 2));
		unsigned int samples = 0, records = 0;
		struct record rec;

		for (int i = 0; i < 10; i++) {
			fresh_page();
			start(&r);
			fault();
			stop(&r);
		}
		while (ring_next(&r, &rec)) {
			samples += rec.type == PERF_RECORD_SAMPLE;
			records += rec.type == PERF_RECORD_STACK_DEFERRED;
		}
		check(keep ? samples >= 10 && records >= 10 : !samples && !records);
		close_ring(&r);
	}
}

/* What bpf_get_stack() returns, for the kernel's part and the user's. */
static void stack_sizes(struct perf_event_attr attr, int64_t size[2])
{
	union bpf_attr map = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = 4,
		.value_size = 8,
		.max_entries = 2,
	};
	int map_fd = bpf(BPF_MAP_CREATE, &map);
#define GET(key, flags) \
		MOV(BPF_REG_1, BPF_REG_6), MOV(BPF_REG_2, BPF_REG_10), ADD_IMM(BPF_REG_2, -256), \
		MOV_IMM(BPF_REG_3, 128), MOV_IMM(BPF_REG_4, flags), CALL(BPF_FUNC_get_stack), \
		STORE(BPF_REG_10, -8, BPF_REG_0), STORE_IMM(BPF_REG_10, -16, key), \
		MAP(BPF_REG_1, map_fd), MOV(BPF_REG_2, BPF_REG_10), ADD_IMM(BPF_REG_2, -16), \
		MOV(BPF_REG_3, BPF_REG_10), ADD_IMM(BPF_REG_3, -8), MOV_IMM(BPF_REG_4, 0), \
		CALL(BPF_FUNC_map_update_elem)
	const struct bpf_insn insns[] = {
		MOV(BPF_REG_6, BPF_REG_1),
		GET(0, 0),
		GET(1, BPF_F_USER_STACK),
		MOV_IMM(BPF_REG_0, 1),
		EXIT,
	};
	struct ring r;

	check(map_fd >= 0);
	r = with_program(attr, load(insns, sizeof(insns) / sizeof(*insns)));
	fresh_page();
	start(&r);
	fault();
	stop(&r);
	for (uint32_t key = 0; key < 2; key++) {
		union bpf_attr look = {
			.map_fd = map_fd,
			.key = (uintptr_t)&key,
			.value = (uintptr_t)&size[key],
		};

		check(!bpf(BPF_MAP_LOOKUP_ELEM, &look));
	}
	close_ring(&r);
	close(map_fd);
}

/* A cookie is no frame: a fault in user mode has none of the kernel's, nor any in the NMI. */
static void test_stack(void)
{
	struct perf_event_attr attr = base_attr(KIB);
	int64_t size[2];

	stack_sizes(attr, size);
	printf("# %" PRId64 " and %" PRId64 " bytes\n", size[0], size[1]);
	check(!size[0] && !size[1]);

	if (!DEFERS_CALLCHAIN)
		return;
	attr.defer_user = 0;
	attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_CALLCHAIN;
	attr.sample_regs_user = attr.sample_stack_user = 0;
	attr.exclude_callchain_user = 0;
	attr.defer_callchain = 1;
	stack_sizes(attr, size);
	printf("# %" PRId64 " and %" PRId64 " bytes\n", size[0], size[1]);
	check(!size[0] && !size[1]);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "drop", test_drop },
		{ "stack", test_stack },
	};

	return run_tests(tests, sizeof(tests) / sizeof(*tests), argc, argv);
}
