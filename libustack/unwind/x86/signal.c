// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Trampolines that handlers return to, of libraries that have no CFI for them. */
#include "module/image.h"
#include "unwind/x86/signal.h"
#include "util/bytes.h"

enum {
	EXIT_64 = 60, EXIT_GROUP_64 = 231, RT_SIGRETURN_64 = 15,
	EXIT_32 = 1, EXIT_GROUP_32 = 252, SIGRETURN_32 = 119,
	RT_SIGRETURN_32 = 173,
};

bool is_exit(bool is_64, int64_t number)
{
	return is_64 ? number == EXIT_64 || number == EXIT_GROUP_64 :
		       number == EXIT_32 || number == EXIT_GROUP_32;
}

bool is_sigreturn(bool is_64, int64_t number)
{
	return is_64 ? number == RT_SIGRETURN_64 :
		       number == SIGRETURN_32 || number == RT_SIGRETURN_32;
}

/* mov $n,%eax or %rax that ends at p, of which before bytes can be read. */
static bool loads_number(const uint8_t *p, size_t before, int64_t *number)
{
	if (before >= 7 && p[-7] == 0x48 && p[-6] == 0xc7 && p[-5] == 0xc0)
		*number = get32(p - 4);
	else if (before >= 5 && p[-5] == 0xb8)
		*number = get32(p - 4);
	else
		return false;
	return true;
}

/* The instruction that enters the kernel. */
static bool enters(const uint8_t *p, bool is_64)
{
	return is_64 ? p[0] == 0x0f && p[1] == 0x05 :
		       p[0] == 0xcd && p[1] == 0x80;
}

bool sigreturn_at(const struct image *image, uint64_t pc, int64_t *number)
{
	size_t left, before = 0;
	const uint8_t *p;

	while (before < 9 && image_at(image, pc - before - 1, &left))
		before++;
	p = image_at(image, pc - before, &left);
	if (!p || left < before)
		return false;
	p += before;
	left -= before;
	*number = -1;
	/* Behind it, unless that is where another function may start. */
	if (pc % 16 && before >= 2 && enters(p - 2, image->is_64))
		loads_number(p - 2, before - 2, number);
	else if (left >= 2 && enters(p, image->is_64))
		loads_number(p, before, number);
	else if (left >= 7 && enters(p + 5, image->is_64))
		loads_number(p + 5, 5, number);
	else if (left >= 9 && enters(p + 7, image->is_64))
		loads_number(p + 7, 7, number);
	return is_sigreturn(image->is_64, *number);
}

/* struct sigcontext: of 64 bit behind the first 40 bytes of struct ucontext. */
static const int16_t saved_64[NR_REGS] = {
	[REG_R8] = 40, [REG_R9] = 48, [REG_R10] = 56, [REG_R11] = 64,
	[REG_R12] = 72, [REG_R13] = 80, [REG_R14] = 88, [REG_R15] = 96,
	[REG_RDI] = 104, [REG_RSI] = 112, [REG_RBP] = 120, [REG_RBX] = 128,
	[REG_RDX] = 136, [REG_RAX] = 144, [REG_RCX] = 152, [REG_RSP] = 160,
	[REG_RIP] = 168,
};
static const int16_t saved_32[NR_REGS] = {
	[REG_RDI] = 16, [REG_RSI] = 20, [REG_RBP] = 24, [REG_RSP] = 28,
	[REG_RBX] = 32, [REG_RDX] = 36, [REG_RCX] = 40, [REG_RAX] = 44,
	[REG_RIP] = 56,
};

void sigreturn_row(struct cfi_row *row, bool is_64, int64_t number,
		   int64_t sp_off, uint64_t pc)
{
	const int16_t *saved = is_64 ? saved_64 : saved_32;

	/* Behind signal number, two pointers, siginfo and 20 bytes of ucontext. */
	if (!is_64 && number == RT_SIGRETURN_32)
		sp_off += 160;
	*row = (struct cfi_row){ .start = pc, .end = pc + 1, .ra = REG_RIP,
				 .signal = true };
	row->cfa = (struct cfi_rule){ .kind = CFI_SP_OFFSET,
				      .off = sp_off + saved[REG_RSP] };
	for (unsigned int reg = 0; reg < NR_REGS; reg++)
		if (saved[reg] && reg != REG_RSP)
			row->reg[reg] = (struct cfi_rule){
				.kind = CFI_SP_OFFSET,
				.off = sp_off + saved[reg],
			};
}
