// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* What check-deb builds with the headers package and loads into its kernel. */
#include <linux/module.h>

static int __init hello_init(void)
{
	pr_info("ustack_hello: loaded\n");
	return 0;
}

static void __exit hello_exit(void)
{
}

module_init(hello_init);
module_exit(hello_exit);
MODULE_DESCRIPTION("Says that it was loaded");
MODULE_LICENSE("Dual BSD/GPL");
