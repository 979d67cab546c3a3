// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* PLT stubs of x86. */
#include <elf.h>

#include "unwind/plt.h"
#include "util/bytes.h"

enum plt_reloc plt_reloc(bool is_64, unsigned int type)
{
	/* R_386_GLOB_DAT and R_386_JMP_SLOT have the same numbers. */
	if (type == R_X86_64_GLOB_DAT || type == R_X86_64_JUMP_SLOT)
		return PLT_RELOC_SYMBOL;
	return type == (is_64 ? R_X86_64_IRELATIVE : R_386_IRELATIVE) ?
		       PLT_RELOC_RESOLVER :
		       PLT_RELOC_OTHER;
}

bool plt_jump(bool is_64, const uint8_t *p, size_t size, uint64_t vaddr,
	      uint64_t got, uint64_t *slot)
{
	/* jmp *n(%rip), jmp *n; jmp *n(%ebx), which has the GOT's address */
	if (size < 6 || p[0] != 0xff || (p[1] != 0x25 && p[1] != 0xa3))
		return false;
	if (is_64)
		*slot = vaddr + 6 + (int32_t)get32(p + 2);
	else if (p[1] == 0xa3)
		*slot = got + (int32_t)get32(p + 2);
	else
		*slot = get32(p + 2);
	return true;
}

bool plt_lazy(bool is_64, const uint8_t *p, size_t size, size_t *reloc)
{
	/* push n; jmp to the first entry */
	if (size < 10 || p[0] != 0x68 || (int32_t)get32(p + 1) < 0)
		return false;
	/* i386 pushes an offset. */
	*reloc = get32(p + 1) / (is_64 ? 1 : sizeof(Elf32_Rel));
	return true;
}
