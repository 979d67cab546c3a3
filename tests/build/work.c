// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Spends a second or so in leaf(), called by outer(). */
__attribute__((noinline)) static void leaf(void)
{
	for (volatile int i = 0; i < 300000000; i++)
		;
}

__attribute__((noinline)) static void outer(void)
{
	leaf();
	__asm__("");
}

int main(void)
{
	outer();
	return 0;
}
