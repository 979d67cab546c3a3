# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# Included by the top Makefile; all paths are from the root.

USTACK_VERSION := 0.1.0
USTACK_SONAME := libustack.so.0
USTACK_OUT := build/libustack
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/libustack
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions

# The rooms, in the order the data flows: a file includes headers of its own
# room and of rooms before it.
USTACK_ROOMS := util module read unwind name
USTACK_SRC := $(patsubst libustack/%.c,%,$(wildcard $(USTACK_ROOMS:%=libustack/%/*.c) libustack/unwind/x86/*.c))
USTACK_CLI := $(patsubst libustack/%.c,%,$(wildcard libustack/cli/*.c libustack/cli/record/*.c))
USTACK_PKGS := libelf libdw liblzma libzstd libdeflate
# Only to build it: a header.
USTACK_BUILD_PKGS := libdebuginfod
# Of the tool alone.
USTACK_CLI_PKGS := libprotobuf-c zlib

USTACK_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -fPIC
OBJCOPY ?= objcopy
USTACK_CPPFLAGS = -Ilibustack $(shell pkg-config --cflags $(USTACK_PKGS)) \
	-DUSTACK_VERSION='"$(USTACK_VERSION)"'
# libiberty has no .pc file.
USTACK_LIBS = $(shell pkg-config --libs $(USTACK_PKGS)) -liberty

USTACK_OBJ := $(USTACK_SRC:%=$(USTACK_OUT)/%.o)
USTACK_CLI_OBJ := $(USTACK_CLI:%=$(USTACK_OUT)/%.o) $(USTACK_OUT)/cli/profile.pb-c.o
USTACK_CLI_LIBS = $(shell pkg-config --libs $(USTACK_CLI_PKGS)) -lm

lib: $(addprefix $(USTACK_OUT)/,libustack.a libustack.so ustack) ## build libustack and the ustack tool
.PHONY: lib

.PHONY: lib-pkgs
lib-pkgs:
	@pkg-config --exists $(USTACK_PKGS) $(USTACK_BUILD_PKGS) $(USTACK_CLI_PKGS) || { echo "libustack: pkg-config does not find all of: $(USTACK_PKGS) $(USTACK_BUILD_PKGS) $(USTACK_CLI_PKGS); 'make deps' installs them" >&2; exit 1; }

$(USTACK_OUT)/%.o: libustack/%.c libustack/libustack.mk | lib-pkgs
	@mkdir -p $(@D)
	$(CC) $(USTACK_CFLAGS) -fvisibility=hidden $(USTACK_CPPFLAGS) $(CFLAGS) -fno-lto -MMD -MP -c -o $@ $<

# The format of pprof.
$(USTACK_OUT)/cli/%.pb-c.c $(USTACK_OUT)/cli/%.pb-c.h: libustack/cli/%.proto | lib-pkgs
	@mkdir -p $(@D)
	protoc-c --proto_path=libustack/cli --c_out=$(@D) $<

$(USTACK_OUT)/%.pb-c.o: $(USTACK_OUT)/%.pb-c.c
	$(CC) $(USTACK_CFLAGS) $(CFLAGS) -fno-lto -c -o $@ $<

$(USTACK_OUT)/cli/pprof.o: $(USTACK_OUT)/cli/profile.pb-c.h
$(USTACK_OUT)/cli/pprof.o: private USTACK_CPPFLAGS += -I$(USTACK_OUT)
# They are in it.
$(USTACK_OUT)/cli/flamegraph.o: $(wildcard libustack/cli/flamegraph/*)

# Without LTO, which distributions put into CFLAGS: nothing local is left of it.
# The archive has one object, in which everything hidden is local: no name of
# ours but ustack_* can clash with one of the program's.
$(USTACK_OUT)/libustack.o: $(USTACK_OBJ)
	$(LD) -r -o $@ $(USTACK_OBJ)
	$(OBJCOPY) --localize-hidden $@

$(USTACK_OUT)/libustack.a: $(USTACK_OUT)/libustack.o
	rm -f $@
	$(AR) rcs $@ $<

$(USTACK_OUT)/$(USTACK_SONAME): $(USTACK_OBJ) libustack/ustack.map
	$(CC) -shared -Wl,-soname,$(USTACK_SONAME) -Wl,-z,defs \
		-Wl,--version-script=libustack/ustack.map $(LDFLAGS) -o $@ \
		$(USTACK_OBJ) $(USTACK_LIBS)

$(USTACK_OUT)/libustack.so: $(USTACK_OUT)/$(USTACK_SONAME)
	ln -sf $(USTACK_SONAME) $@

# The tool uses the library as any program does, and has its own copy of the
# hash table, and of what knows where /proc has the memory of a process.
$(USTACK_OUT)/ustack: $(USTACK_CLI_OBJ) $(addprefix $(USTACK_OUT)/util/,hash.o proc.o) $(USTACK_OUT)/libustack.a
	$(CC) $(LDFLAGS) -o $@ $^ $(USTACK_LIBS) $(USTACK_CLI_LIBS)

# What a directory is below PREFIX, for a .pc file that is moved with it.
below_prefix = $(patsubst $(PREFIX)/%,$${prefix}/%,$(1))
# Whatever the umask, all may read what is installed.
install_dir = install -d -m 755
install_data = install -m 644

install: lib ## install libustack and ustack to DESTDIR and PREFIX
	$(install_dir) '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/include' \
		'$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(DOCDIR)/examples' \
		'$(DESTDIR)$(MANDIR)/man1' '$(DESTDIR)$(MANDIR)/man3' \
		'$(DESTDIR)$(COMPLETIONDIR)'
	install -m 755 $(USTACK_OUT)/ustack '$(DESTDIR)$(PREFIX)/bin'
	$(install_data) libustack/completion/ustack '$(DESTDIR)$(COMPLETIONDIR)'
	$(install_data) libustack/ustack.h '$(DESTDIR)$(PREFIX)/include'
	$(install_data) $(USTACK_OUT)/libustack.a '$(DESTDIR)$(LIBDIR)'
	install -m 755 $(USTACK_OUT)/$(USTACK_SONAME) '$(DESTDIR)$(LIBDIR)'
	ln -sf $(USTACK_SONAME) '$(DESTDIR)$(LIBDIR)/libustack.so'
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(call below_prefix,$(LIBDIR))|' \
		-e 's|@VERSION@|$(USTACK_VERSION)|' -e 's|@PKGS@|$(USTACK_PKGS)|' \
		libustack/libustack.pc.in >'$(DESTDIR)$(LIBDIR)/pkgconfig/libustack.pc'
	$(install_data) libustack/examples/* '$(DESTDIR)$(DOCDIR)/examples'
	$(install_data) libustack/man/*.1 '$(DESTDIR)$(MANDIR)/man1'
	$(install_data) libustack/man/*.3 '$(DESTDIR)$(MANDIR)/man3'
	@# A page is found under the name of each of its functions.
	for page in $(notdir $(wildcard libustack/man/*.3)); do \
		sed -n 's/^\.Nm \([a-z_]*\).*/\1.3/p' libustack/man/$$page | grep -vx $$page | \
		while read -r name; do echo ".so man3/$$page" >'$(DESTDIR)$(MANDIR)/man3/'$$name; done; \
	done
	chmod 644 '$(DESTDIR)$(LIBDIR)/pkgconfig/libustack.pc' '$(DESTDIR)$(MANDIR)/man3/'ustack_*.3
.PHONY: install

-include $(USTACK_OBJ:.o=.d) $(USTACK_CLI_OBJ:.o=.d)
