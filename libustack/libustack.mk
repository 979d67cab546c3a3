# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# Included by the top Makefile; all paths are from the root.

USTACK_VERSION := 0.1.0
USTACK_SONAME := libustack.so.0
USTACK_OUT := build/libustack
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
MANDIR ?= $(PREFIX)/share/man

# In the order the data flows.
USTACK_SRC := huge table chunk attr datafile ring header event record order process \
	procfs pair reader \
	mem file elf section debugfile images space expr cfi scan rule \
	arch_x86_64 trail ref ref_libdw unwind \
	symbols plt jit sym
USTACK_CLI := ustack pool script fold stat
USTACK_PKGS := libelf libdw liblzma libzstd zlib

# One more unwinder to compare with, where it is installed.
ifeq ($(shell pkg-config --exists libunwind-generic 2>/dev/null && echo yes),yes)
USTACK_SRC += ref_libunwind
USTACK_PKGS += libunwind-generic
USTACK_WITH := -DUSTACK_WITH_LIBUNWIND
endif

USTACK_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -fPIC
USTACK_CPPFLAGS = $(shell pkg-config --cflags $(USTACK_PKGS)) \
	-DUSTACK_VERSION='"$(USTACK_VERSION)"' $(USTACK_WITH)
# sym takes the demangler from the C++ runtime.
USTACK_LIBS = $(shell pkg-config --libs $(USTACK_PKGS)) -lstdc++

USTACK_OBJ := $(USTACK_SRC:%=$(USTACK_OUT)/%.o)
USTACK_CLI_OBJ := $(USTACK_CLI:%=$(USTACK_OUT)/%.o)

lib: $(addprefix $(USTACK_OUT)/,libustack.a libustack.so ustack) ## build libustack and the ustack tool
.PHONY: lib

.PHONY: lib-pkgs
lib-pkgs:
	@pkg-config --exists $(USTACK_PKGS) || { echo "libustack: pkg-config does not find all of: $(USTACK_PKGS); 'make deps' installs them" >&2; exit 1; }

$(USTACK_OUT)/%.o: libustack/%.c libustack/libustack.mk | lib-pkgs
	@mkdir -p $(@D)
	$(CC) $(USTACK_CFLAGS) $(USTACK_CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(USTACK_OUT)/libustack.a: $(USTACK_OBJ)
	rm -f $@
	$(AR) rcs $@ $(USTACK_OBJ)

$(USTACK_OUT)/$(USTACK_SONAME): $(USTACK_OBJ) libustack/ustack.map
	$(CC) -shared -Wl,-soname,$(USTACK_SONAME) -Wl,-z,defs \
		-Wl,--version-script=libustack/ustack.map $(LDFLAGS) -o $@ \
		$(USTACK_OBJ) $(USTACK_LIBS)

$(USTACK_OUT)/libustack.so: $(USTACK_OUT)/$(USTACK_SONAME)
	ln -sf $(USTACK_SONAME) $@

$(USTACK_OUT)/ustack: $(USTACK_CLI_OBJ) $(USTACK_OUT)/libustack.a
	$(CC) $(LDFLAGS) -o $@ $(USTACK_CLI_OBJ) $(USTACK_OUT)/libustack.a \
		$(USTACK_LIBS)

install: lib ## install libustack and ustack to DESTDIR and PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include \
		$(DESTDIR)$(LIBDIR)/pkgconfig
	install $(USTACK_OUT)/ustack $(DESTDIR)$(PREFIX)/bin
	install -m 644 libustack/ustack.h $(DESTDIR)$(PREFIX)/include
	install -m 644 $(USTACK_OUT)/libustack.a $(DESTDIR)$(LIBDIR)
	install $(USTACK_OUT)/$(USTACK_SONAME) $(DESTDIR)$(LIBDIR)
	ln -sf $(USTACK_SONAME) $(DESTDIR)$(LIBDIR)/libustack.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
		-e 's|@VERSION@|$(USTACK_VERSION)|' -e 's|@PKGS@|$(USTACK_PKGS)|' \
		libustack/libustack.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/libustack.pc
	install -d $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man3
	install -m 644 libustack/*.1 $(DESTDIR)$(MANDIR)/man1
	install -m 644 libustack/*.3 $(DESTDIR)$(MANDIR)/man3
	@# A page is found under the name of each of its functions.
	for page in $(notdir $(wildcard libustack/*.3)); do \
		sed -n 's/^\.Nm \([a-z_]*\).*/\1.3/p' libustack/$$page | grep -vx $$page | \
		while read -r name; do echo ".so man3/$$page" >$(DESTDIR)$(MANDIR)/man3/$$name; done; \
	done
.PHONY: install

-include $(USTACK_OBJ:.o=.d) $(USTACK_CLI_OBJ:.o=.d)
