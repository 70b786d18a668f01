# make               build the library (build/lib) and the command (build/bin)
# make library       build only the library
# make command       build only the command
# make demo          two programs share a segment; one is killed, the data survives
# make demo-kinds    one program, three kinds of memory: what outlives kill, restart, reboot
# make check         what to run after each edit: the tests that take less than 30 seconds
# make test          run every test; the last line gives the totals
# make targets       make a Debian 13, build there for other processors and C libraries, and run
#                    the tests, on emulated machines if necessary; needs root
# make unix          compile for other UNIX systems, and test on Linux what these share
# make test-deps     install the tools that the tests use (Debian)
# make examples      share a segment between C and programs in other languages
# make torture       run the kill, fault, damage and load tests in full: about 20 minutes
# make torture-semaphore
#                    the same with the lock of systems without robust futexes
# make fuzz          run each fuzzer for ten minutes; needs cargo-fuzz
# make bench         run the benchmarks and rewrite docs/performance.md: 6 minutes
# make bench-deps    install what the benchmarks compare with and draw with (Debian)
#
# make check-instructions    fail if a call takes more instructions than recorded
# make accept-instructions   record the present numbers of instructions
# make check-install         install into a temporary directory and use the result
# make check-abi             compare symbols and types with abi/shm_util.abi
# make abi-accept            rewrite abi/shm_util.abi after an intended change
# make check-deb             build, inspect and try the Debian packages
# make size                  measure the shared library
#
# make deb               build Debian packages in build/deb
# make install           install under $(DESTDIR)$(PREFIX); see also LIBDIR, INCLUDEDIR,
#                        BINDIR and MANDIR
# make uninstall         remove what make install has installed
# make install-compat    install the headers for programs that have left libgpl
# make uninstall-compat  remove them
#
# make python            build the Python package's wheel in build/python
# make check-python      build it, install it, and run its tests
#
# make headers       regenerate include/ from the comments in src/
# make clean         remove build/ and target/
# make help          print this list
#
# V=1 prints the commands. CC, CFLAGS, LDFLAGS, CARGO and PYTHON choose the tools, HOST the
# system to build for (as in the names of its compilers: HOST=aarch64-linux-gnu), or TARGET (as
# Rust calls it: TARGET=aarch64-unknown-linux-gnu, or CARGO_BUILD_TARGET).

PREFIX     = /usr/local
LIBDIR     = $(PREFIX)/lib
INCLUDEDIR = $(PREFIX)/include
BINDIR     = $(PREFIX)/bin
DATADIR    = $(PREFIX)/share
MANDIR     = $(DATADIR)/man
BASH_COMPLETIONS = $(DATADIR)/bash-completion/completions
ZSH_COMPLETIONS  = $(DATADIR)/zsh/site-functions
FISH_COMPLETIONS = $(DATADIR)/fish/vendor_completions.d
CARGO      = cargo
PYTHON     = python3
CFLAGS     = -O2
INSTALL    = install

# The system to build on, and the one to build for: as Rust calls it, and as its compilers are
# called. Cargo's setting is respected, and passed on explicitly, because it decides where Cargo
# puts what it builds.
BUILD_ON  := $(shell $(CARGO) -vV 2>/dev/null | sed -n 's/^host: //p')
CPU        = $(firstword $(subst -, ,$(1)))
RUST_CPU   = $(or $(patsubst %,armv7,$(filter arm,$(1))),$(patsubst %,riscv64gc,$(filter riscv64,$(1))),$(1))
GNU_CPU    = $(or $(patsubst %,arm,$(filter armv7,$(1))),$(patsubst %,riscv64,$(filter riscv64gc,$(1))),$(1))
RUST_NAME  = $(call RUST_CPU,$(call CPU,$(1)))-unknown$(patsubst $(call CPU,$(1))%,%,$(1))
GNU_NAME   = $(call GNU_CPU,$(call CPU,$(1)))$(patsubst $(call CPU,$(1))-unknown%,%,$(1))
TARGET     = $(or $(if $(HOST),$(call RUST_NAME,$(HOST))),$(CARGO_BUILD_TARGET),$(BUILD_ON))
COMPILERS  = $(or $(HOST),$(call GNU_NAME,$(TARGET)))
IS_CROSS   = $(filter-out $(BUILD_ON),$(TARGET))
IS_MUSL    = $(findstring -musl,$(TARGET))

# The tools for that system. Debian's musl-gcc is gcc with other libraries.
CC         = $(or $(if $(IS_CROSS),$(if $(IS_MUSL),musl-gcc,$(COMPILERS)-gcc)),cc)
TOOLS      = $(if $(IS_CROSS),$(if $(IS_MUSL),,$(COMPILERS)-))
# Rust has what it needs to link programs with musl, which are whole static ones.
ifneq ($(IS_CROSS),)
ifeq ($(IS_MUSL),)
export CARGO_TARGET_$(shell echo '$(TARGET)' | tr a-z- A-Z_)_LINKER ?= $(CC)
endif
endif
# Rust's assembly for POWER is stable since 1.95; an older Rust lets this crate use it all the same.
ifneq ($(filter powerpc64%,$(TARGET)),)
export RUSTC_BOOTSTRAP ?= shm_util
endif
# A library leaves the C library to the program.
FOR_LIBRARY = $(if $(IS_MUSL),-C target-feature=-crt-static)
# GNU ld's way to use the C library's unwinder wants a newer C library than musl. Nothing here
# unwinds.
NO_UNWIND   = $(if $(IS_MUSL),$(BUILD)/no_unwind.o)
# On riscv64, the linker cannot index the remaining unwind tables, and would print an error.
NO_INDEX    = $(if $(filter riscv64%,$(TARGET)),-Wl$(COMMA)--no-eh-frame-hdr)
COMMA      := ,

# Where the library is built.
BUILD        = build
CARGO_TARGET = target

# Each step prints one short line, as the kernel's build does; V=1 prints the commands.
ifeq ($(V),1)
  step = @:
  Q =
  CARGO_FLAGS =
  MATURIN_FLAGS =
  SHUSH =
else
  Q = @
  step = @printf '  %-7s %s\n'
  CARGO_FLAGS = --quiet
  MATURIN_FLAGS = --quiet
  MAKEFLAGS += --no-print-directory
  # rustc notes each time where it has written the list that --print asks for.
  SHUSH = 2>$(BUILD)/cargo.log; status=$$?; \
    sed '/^note: [nN]ative artifacts/,/^$$/d' $(BUILD)/cargo.log >&2; exit $$status
endif
ifneq ($(findstring s,$(firstword -$(MAKEFLAGS))),)
  step = @:
endif

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
RUST    := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
MAJOR   := $(firstword $(subst ., ,$(VERSION)))
SHARED   = libshm_util.so.$(VERSION)
SONAME   = libshm_util.so.$(MAJOR)

# The headers of libgpl that shm_util's own headers do not replace.
COMPAT = pragmatics.h aperror.h

# The libraries that a program linked with the static library needs besides it.
STATIC_LIBS = -lutil -lrt -lpthread -lm -ldl

# rustc passes the linker a version script of its own, and the linker accepts only one.
# So the shared library is linked here, from the static one.
EXPORTED = $(shell sed -n 's/^ *\(shm[A-Za-z_]*\);$$/\1/p' abi/shm_util.map)
LINK     = $(CFLAGS) $(LDFLAGS) -Wl,-soname,$(SONAME) \
  -Wl,--version-script=abi/shm_util.map $(EXPORTED:%=-Wl,-u,%) \
  -Wl,--gc-sections -Wl,-O1 -Wl,-z,defs,-z,relro,-z,now $(NO_INDEX)

CMAKEDIR    = $(LIBDIR)/cmake/shm_util
CMAKE_FILES = shm_util-config.cmake shm_util-config-version.cmake
CMAKE_LIBS  = $(subst $(SPACE),;,$(STATIC_LIBS:-l%=%))
SPACE      := $(subst ,, )

# Found out before anything is built, so that `make install` after `make` needs no cargo.
INSTALLABLE = $(if $(wildcard build/lib/libshm_util.a),,library) \
  $(if $(wildcard build/completions/shmutil.fish),,command)

all: library command
	@echo "Built the library in build/lib and the command in build/bin; its headers are in include."
	@echo "See it at work: make demo"

# Programs and libraries contain no paths of this machine.
WITHOUT_PATHS = INNER_RUSTC_WRAPPER="$$RUSTC_WRAPPER" \
  RUSTC_WRAPPER='$(CURDIR)/scripts/rustc-without-paths'

# Cargo knows what is out of date, so these run every time. The files are replaced by
# renaming, never overwritten: programs may be running with the old ones.
library: need-cargo need-cc
	$(step) CARGO $(BUILD)/lib/libshm_util.a
	@mkdir -p $(BUILD)/lib
	$(Q)$(WITHOUT_PATHS) $(CARGO) rustc $(CARGO_FLAGS) --release --locked --lib --features shipped \
	  --crate-type staticlib --target-dir $(CARGO_TARGET) --target $(TARGET) \
	  -- --print native-static-libs=$(CARGO_TARGET)/$(TARGET)/release/native-static-libs \
	  $(FOR_LIBRARY) $(SHUSH)
	@cp $(CARGO_TARGET)/$(TARGET)/release/native-static-libs $(BUILD)
	$(step) CC abi/no_unwind.c
	$(Q)$(CC) $(CFLAGS) -fPIC -ffunction-sections -fno-builtin -c -o $(BUILD)/no_unwind.o \
	  abi/no_unwind.c
	$(step) REDUCE $(BUILD)/lib/libshm_util.a
	$(Q)CC='$(CC)' TOOLS='$(TOOLS)' scripts/reduce-library \
	  $(CARGO_TARGET)/$(TARGET)/release/libshm_util.a $(BUILD)/lib/new.a '$(EXPORTED)' $(NO_UNWIND)
	$(step) LINK $(BUILD)/lib/$(SHARED)
	$(Q)$(CC) -shared -o $(BUILD)/lib/new.so $(LINK) $(BUILD)/no_unwind.o $(BUILD)/lib/new.a
	@mv $(BUILD)/lib/new.so $(BUILD)/lib/$(SHARED)
	@mv $(BUILD)/lib/new.a $(BUILD)/lib/libshm_util.a
	@ln -sf $(SHARED) $(BUILD)/lib/$(SONAME)
	@ln -sf $(SONAME) $(BUILD)/lib/libshm_util.so

command: need-cargo need-cc
	$(step) CARGO build/bin/shmutil
	$(Q)$(WITHOUT_PATHS) $(CARGO) build $(CARGO_FLAGS) --release --locked --package shmutil \
	  --target-dir target --target $(TARGET)
	@mkdir -p build/bin build/completions
	@cp target/$(TARGET)/release/shmutil build/bin/new
	@mv build/bin/new build/bin/shmutil
	$(if $(IS_CROSS),$(Q)$(CARGO) build $(CARGO_FLAGS) --release --locked --package shmutil \
	  --target-dir target --target $(BUILD_ON))
	@for shell in bash:shmutil zsh:_shmutil fish:shmutil.fish; do \
	  target/$(BUILD_ON)/release/shmutil completions "$${shell%%:*}" \
	    > "build/completions/$${shell#*:}" || exit; \
	done

# Written every time, because they contain the directories of this installation.
configured: $(INSTALLABLE)
	@mkdir -p build/config
	@printf '%s\n' \
	  'prefix=$(PREFIX)' 'libdir=$(LIBDIR:$(PREFIX)/%=$${prefix}/%)' \
	  'includedir=$(INCLUDEDIR:$(PREFIX)/%=$${prefix}/%)' '' \
	  'Name: shm_util' 'Version: $(VERSION)' \
	  'Description: named shared memory segments whose names survive crashes' \
	  'Libs: -L$${libdir} -lshm_util' 'Libs.private: $(STATIC_LIBS)' \
	  'Cflags: -I$${includedir}' > build/config/shm_util.pc
	@to_include=$$(realpath -m --relative-to='$(CMAKEDIR)' '$(INCLUDEDIR)') && \
	for file in $(CMAKE_FILES); do \
	  sed -e 's/@VERSION@/$(VERSION)/' -e 's/@MAJOR@/$(MAJOR)/' -e 's/@SHARED@/$(SHARED)/' \
	    -e 's/@SONAME@/$(SONAME)/' -e 's/@STATIC_LIBS@/$(CMAKE_LIBS)/' \
	    -e "s|@TO_INCLUDE@|$$to_include|" "cmake/$$file.in" > "build/config/$$file" || exit; \
	done

headers: need-cargo
	$(step) CARGO include/
	$(Q)$(CARGO) check --quiet --locked --lib --features headers --target-dir target/headers

need-cargo:
	@command -v $(CARGO) >/dev/null 2>&1 || { \
	  echo "make: '$(CARGO)' is not installed; see 'What it needs' in README.md" >&2; exit 1; }
	@version=$$($(CARGO) --version | sed 's/^cargo \([0-9.]*\).*/\1/') && \
	printf '%s\n' $(RUST) "$$version" | sort -C -V || { \
	  echo "make: '$(CARGO)' is version $$version, but $(RUST) or newer is needed;" \
	    "see 'What it needs' in README.md" >&2; exit 1; }

need-cc:
	@command -v $(firstword $(CC)) >/dev/null 2>&1 || { \
	  echo "make: no C compiler '$(CC)'; install $(or $(if $(IS_CROSS),$(if \
	    $(IS_MUSL),musl-tools,gcc-$(COMPILERS))),gcc), or set CC" >&2; exit 1; }

# The installed files, such as shm_util.pc, contain these directories.
need-absolute:
	@for pair in 'PREFIX=$(PREFIX)' 'LIBDIR=$(LIBDIR)' 'INCLUDEDIR=$(INCLUDEDIR)' \
	  'BINDIR=$(BINDIR)' 'DATADIR=$(DATADIR)' 'MANDIR=$(MANDIR)'; do \
	  case $$pair in \
	  *=/*) ;; \
	  *) echo "make: $${pair%%=*} must be absolute" >&2; exit 1 ;; \
	  esac; \
	done

demo: library
	@CC="$(CC)" c_tests/demo/run

demo-kinds: library
	@CC="$(CC)" c_tests/demo/kinds

check: library
	@CC="$(CC)" CARGO="$(CARGO)" c_tests/check

test: library command
	@CC="$(CC)" CARGO="$(CARGO)" c_tests/run-all

targets:
	@scripts/targets

unix:
	@CARGO="$(CARGO)" scripts/unix

test-deps:
	@scripts/test-deps

examples: library
	@CC="$(CC)" CXX="$(CXX)" CARGO="$(CARGO)" examples/run

torture: library
	@c_tests/torture/fuzz 60
	@CC="$(CC)" c_tests/torture/run full

# The lock of systems without robust futexes, built and tested here.
library-semaphore:
	$(Q)RUSTFLAGS='--cfg shm_util_lock="semaphore"' $(MAKE) library BUILD=build/semaphore \
	  CARGO_TARGET=target/semaphore

torture-semaphore: library-semaphore
	@CC="$(CC)" BUILD=build/semaphore c_tests/torture/run full

fuzz: need-cargo need-cc
	@c_tests/torture/fuzz 600

bench: library
	@CC="$(CC)" CXX="$(CXX)" bench/run

bench-deps:
	@bench/run deps

check-instructions: library
	@CC="$(CC)" bench/instructions check

accept-instructions: library
	@CC="$(CC)" bench/instructions accept

size: library
	@CC="$(CC)" c_tests/scripts/size

check-install: library command
	@CC="$(CC)" c_tests/scripts/install

check-abi: library
	@CC="$(CC)" c_tests/scripts/abi

abi-accept: need-cc
	@CC="$(CC)" c_tests/scripts/abi accept

# debian/rules decides what goes into the packages. dpkg-buildpackage would set
# DEB_RULES_REQUIRES_ROOT, without which debhelper wants to be root; and for another architecture
# the variables that dpkg-architecture prints.
deb: library command
	@command -v dh >/dev/null 2>&1 || { \
	  echo "make: 'dh' is not installed; see 'What it needs' in README.md" >&2; exit 1; }
	$(step) DEB build/deb
	@rm -rf build/deb
	@mkdir -p build/deb
	@# The first clean removes what an interrupted build has left in debian/.
	$(Q)($(if $(IS_CROSS),eval "$$(dpkg-architecture --print-set --host-type $(COMPILERS))" && \
	  export CARGO_BUILD_TARGET=$(TARGET) &&) \
	for goal in clean binary clean; do \
	  DEB_RULES_REQUIRES_ROOT=no debian/rules $$goal PACKAGES='$(CURDIR)/build/deb' || exit; \
	done) $(if $(Q),>build/deb/log 2>&1 || { cat build/deb/log >&2; exit 1; })
	@rm -f build/deb/log
	@ls build/deb/*.deb

check-deb: library command
	@CC="$(CC)" c_tests/scripts/deb

# maturin comes from PyPI. A wheel suits every CPython from 3.11 on.
python: need-cargo need-cc
	@PYTHON='$(PYTHON)' scripts/python-tools
	$(step) MATURIN build/python
	@rm -rf build/python/*.whl
	$(Q)$(WITHOUT_PATHS) CARGO='$(CARGO)' build/python-tools/bin/maturin build $(MATURIN_FLAGS) \
	  --release --locked --manifest-path python/Cargo.toml --target-dir target/python \
	  --interpreter '$(PYTHON)' --out build/python
	@ls build/python/*.whl

check-python: library
	@CC="$(CC)" PYTHON="$(PYTHON)" c_tests/scripts/python

# $(call installed_files,ACTION) calls ACTION with the mode, the source and the
# destination of each file; a link has its target as the source, and no mode.
define installed_files
$(call $(1),755,build/lib/$(SHARED),$(LIBDIR)/$(SHARED))
$(call $(1),,$(SHARED),$(LIBDIR)/$(SONAME))
$(call $(1),,$(SONAME),$(LIBDIR)/libshm_util.so)
$(call $(1),644,build/lib/libshm_util.a,$(LIBDIR)/libshm_util.a)
$(call $(1),644,build/config/shm_util.pc,$(LIBDIR)/pkgconfig/shm_util.pc)
$(foreach file,$(CMAKE_FILES),$(call $(1),644,build/config/$(file),$(CMAKEDIR)/$(file)))
$(call $(1),644,include/shm_util.h,$(INCLUDEDIR)/shm_util.h)
$(call $(1),644,include/shm_util_ext.h,$(INCLUDEDIR)/shm_util_ext.h)
$(call $(1),755,build/bin/shmutil,$(BINDIR)/shmutil)
$(call $(1),644,build/completions/shmutil,$(BASH_COMPLETIONS)/shmutil)
$(call $(1),644,build/completions/_shmutil,$(ZSH_COMPLETIONS)/_shmutil)
$(call $(1),644,build/completions/shmutil.fish,$(FISH_COMPLETIONS)/shmutil.fish)
$(call $(1),644,docs/man/shmutil.1,$(MANDIR)/man1/shmutil.1)
$(foreach page,$(PAGES),$(call $(1),644,docs/man/$(page).3,$(MANDIR)/man3/$(page).3))
$(foreach name,$(FUNCTIONS),$(call $(1),644,build/man/$(name).3,$(MANDIR)/man3/$(name).3))
endef

define compat_files
$(foreach file,$(COMPAT),$(call $(1),644,include/shm_util/compat/$(file),$(COMPATDIR)/$(file)))
endef

define put
$(step) INSTALL '$(DESTDIR)$(3)'
$(Q)$(INSTALL) -d "$$(dirname '$(DESTDIR)$(3)')"
$(Q)$(if $(1),$(INSTALL) -m $(1) $(2),ln -sf $(2)) '$(DESTDIR)$(3)'

endef

define take_away
$(step) RM '$(DESTDIR)$(3)'
$(Q)rm -f '$(DESTDIR)$(3)'

endef

COMPATDIR = $(INCLUDEDIR)/shm_util/compat

# Each function has a manual page of its own, which refers to the page that describes it.
PAGES        = shm_util shm_util_ext
FUNCTIONS_IN = $(filter-out $(PAGES),$(shell \
  sed -n '/^\.SH NAME/,/ \\-/{/^\.SH/d;s/ \\-.*//;s/,/ /g;p;}' docs/man/$(1).3))
FUNCTIONS    = $(foreach page,$(PAGES),$(call FUNCTIONS_IN,$(page)))

function-pages:
	@mkdir -p build/man
	@$(foreach page,$(PAGES),for name in $(call FUNCTIONS_IN,$(page)); do \
	  echo '.so man3/$(page).3' > "build/man/$$name.3" || exit; done;)

install: need-absolute $(INSTALLABLE) configured function-pages
	$(call installed_files,put)
	@test -n '$(DESTDIR)' || scripts/announce-library '$(LIBDIR)' '$(SONAME)'

uninstall: need-absolute
	$(call installed_files,take_away)
	@rmdir '$(DESTDIR)$(CMAKEDIR)' 2>/dev/null || true

# In a directory of their own: every program that includes shm_util.h would otherwise
# get libgpl's macros.
install-compat: need-absolute
	$(call compat_files,put)

uninstall-compat: need-absolute
	$(call compat_files,take_away)
	@rmdir '$(DESTDIR)$(COMPATDIR)' '$(DESTDIR)$(INCLUDEDIR)/shm_util' 2>/dev/null || true

clean:
	rm -rf build target

help:
	@sed -n '/^#/!q;s/^# \{0,1\}//p' Makefile

.PHONY: all library command headers configured need-cargo need-cc need-absolute demo demo-kinds \
  check test targets unix test-deps examples torture torture-semaphore library-semaphore fuzz bench \
  bench-deps check-instructions accept-instructions size check-install check-abi abi-accept \
  deb check-deb function-pages \
  install install-compat python check-python uninstall uninstall-compat clean help
