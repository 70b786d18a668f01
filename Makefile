# make            the library, shared and static, in build/lib, and the command in build/bin
# make library    the library alone
# make command    the command alone
# make demo       a story of two programs, one of which is killed
# make test       everything that can be tested; the last line counts
# make examples   programs in other languages share a segment with one in C
# make torture    kills, faults, damage and storms in their full form, some 20 minutes
# make fuzz       the fuzzers, ten minutes each, where cargo-fuzz is installed
# make bench      measures, and writes docs/performance.md anew: 5 minutes
# make bench-deps installs what it compares with and draws with (Debian)
# make check-instructions    whether the calls take more instructions than known
# make accept-instructions   makes known what they take now
# make size       how large the shared library is, what it needs, what it adds to a start
# make check-install, check-abi, check-deb   parts of make test
# make abi-accept writes abi/shm_util.abi, where the interface is meant to change
# make deb        Debian packages, in build/deb
# make install    to $(DESTDIR)$(PREFIX); see also LIBDIR, INCLUDEDIR, BINDIR, MANDIR
# make uninstall  takes away what make install has put there
# make install-compat        the headers for programs that have left libgpl, which
#                 make install leaves out; make uninstall-compat takes them away
# make headers    writes the headers in include anew, where the comments in src have changed
# make clean      takes away what make has built

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
CC         = cc
CFLAGS     = -O2
INSTALL    = install

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
RUST    := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
MAJOR   := $(firstword $(subst ., ,$(VERSION)))
SHARED   = libshm_util.so.$(VERSION)
SONAME   = libshm_util.so.$(MAJOR)
BUILT    = target/release

# For programs that have left libgpl.
COMPAT = pragmatics.h aperror.h

# What a program linked with the static library needs besides.
STATIC_LIBS = -lutil -lrt -lpthread -lm -ldl

# The shared library is linked from the static one, because rustc passes the
# linker a version script of its own, beside which there can be no other.
EXPORTED = $(shell sed -n 's/^ *\(shm[A-Za-z_]*\);$$/\1/p' abi/shm_util.map)
LINK     = $(LDFLAGS) -Wl,-soname,$(SONAME) -Wl,--version-script=abi/shm_util.map \
  $(EXPORTED:%=-Wl,-u,%) -Wl,--gc-sections -Wl,-O1 -Wl,-z,defs,-z,relro,-z,now \
  $(CFLAGS) -fPIC -ffunction-sections -fno-builtin abi/no_unwind.c

CMAKEDIR    = $(LIBDIR)/cmake/shm_util
CMAKE_FILES = shm_util-config.cmake shm_util-config-version.cmake
CMAKE_LIBS  = $(subst $(SPACE),;,$(STATIC_LIBS:-l%=%))
SPACE      := $(subst ,, )

# What is built is found out before anything else, so that an installation
# after a build needs no cargo.
INSTALLABLE = $(if $(wildcard build/lib/libshm_util.a),,library) \
  $(if $(wildcard build/completions/shmutil.fish),,command)

all: library command
	@echo "The library is in build/lib, its header in include, the command in build/bin."
	@echo "See also: make demo"

# Cargo knows what is out of date; the links are made anew each time. Where it puts what it
# has built is said each time, for there are settings (CARGO_TARGET_DIR); and should another
# one (a target) take that elsewhere, no older library is there to be taken for it.
library: need-cargo need-cc
	@rm -f $(BUILT)/libshm_util.a
	$(CARGO) rustc --release --locked --lib --features shipped --crate-type staticlib \
	  --target-dir target -- --print native-static-libs=$(BUILT)/native-static-libs
	@mkdir -p build/lib
	@# Programs may be running with the old ones: they are replaced, not changed.
	@strip -g -o build/lib/new.a $(BUILT)/libshm_util.a
	$(CC) -shared -o build/lib/new.so $(LINK) build/lib/new.a
	@mv build/lib/new.so build/lib/$(SHARED)
	@mv build/lib/new.a build/lib/libshm_util.a
	@ln -sf $(SHARED) build/lib/$(SONAME)
	@ln -sf $(SONAME) build/lib/libshm_util.so

# In a directory of its own: Cargo would build the library with what the command
# needs, and leave it where the one above is looked for.
command: need-cargo need-cc
	@rm -f target/command/release/shmutil
	INNER_RUSTC_WRAPPER="$$RUSTC_WRAPPER" RUSTC_WRAPPER='$(CURDIR)/scripts/rustc-without-paths' \
	  $(CARGO) build --release --locked --package shmutil \
	  --target-dir target/command
	@mkdir -p build/bin build/completions
	@cp target/command/release/shmutil build/bin/new
	@mv build/bin/new build/bin/shmutil
	@build/bin/shmutil completions bash > build/completions/shmutil
	@build/bin/shmutil completions zsh > build/completions/_shmutil
	@build/bin/shmutil completions fish > build/completions/shmutil.fish

# Made anew each time: they say where the library is installed.
configured: $(INSTALLABLE)
	@mkdir -p build/config
	@printf '%s\n' \
	  'prefix=$(PREFIX)' 'libdir=$(LIBDIR:$(PREFIX)/%=$${prefix}/%)' \
	  'includedir=$(INCLUDEDIR:$(PREFIX)/%=$${prefix}/%)' '' \
	  'Name: shm_util' 'Version: $(VERSION)' \
	  'Description: named shared memory segments whose names stay right' \
	  'Libs: -L$${libdir} -lshm_util' 'Libs.private: $(STATIC_LIBS)' \
	  'Cflags: -I$${includedir}' > build/config/shm_util.pc
	@to_include=$$(realpath -m --relative-to='$(CMAKEDIR)' '$(INCLUDEDIR)') && \
	for file in $(CMAKE_FILES); do \
	  sed -e 's/@VERSION@/$(VERSION)/' -e 's/@MAJOR@/$(MAJOR)/' -e 's/@SHARED@/$(SHARED)/' \
	    -e 's/@SONAME@/$(SONAME)/' -e 's/@STATIC_LIBS@/$(CMAKE_LIBS)/' \
	    -e "s|@TO_INCLUDE@|$$to_include|" "cmake/$$file.in" > "build/config/$$file" || exit; \
	done

headers: need-cargo
	$(CARGO) check --quiet --locked --lib --features headers --target-dir target/headers

need-cargo:
	@command -v $(CARGO) >/dev/null 2>&1 || { \
	  echo "make: '$(CARGO)' is not installed: see 'What it needs' in README.md" >&2; exit 1; }
	@version=$$($(CARGO) --version | sed 's/^cargo \([0-9.]*\).*/\1/') && \
	printf '%s\n' $(RUST) "$$version" | sort -C -V || { \
	  echo "make: '$(CARGO)' is version $$version, and $(RUST) or newer is needed:" \
	    "see 'What it needs' in README.md" >&2; exit 1; }

need-cc:
	@command -v $(CC) >/dev/null 2>&1 || { \
	  echo "make: no C compiler '$(CC)': install gcc, or say make CC=..." >&2; exit 1; }

demo: library
	@CC="$(CC)" c_tests/demo/run

test: library command
	@CC="$(CC)" CARGO="$(CARGO)" c_tests/run-all

examples: library
	@CC="$(CC)" CXX="$(CXX)" CARGO="$(CARGO)" examples/run

torture: library
	@c_tests/torture/fuzz 60
	@CC="$(CC)" c_tests/torture/run full

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
	@CC="$(CC)" c_tests/size

check-install: library command
	@CC="$(CC)" c_tests/install

check-abi: library
	@CC="$(CC)" c_tests/abi

abi-accept: need-cc
	@CC="$(CC)" c_tests/abi accept

# debian/rules says what is in the packages.
deb: library command
	@command -v dh >/dev/null 2>&1 || { \
	  echo "make: 'dh' is not installed: see 'What it needs' in README.md" >&2; exit 1; }
	rm -rf build/deb
	mkdir -p build/deb
	@# A build that ended half-way would leave things in debian.
	debian/rules clean
	debian/rules binary PACKAGES='$(CURDIR)/build/deb'
	debian/rules clean
	@ls build/deb/*.deb

check-deb: library command
	@CC="$(CC)" c_tests/deb

# Each function has a page that leads to the one that describes it.
SECTION_3 = shm_util shm_util_ext
FUNCTIONS_IN = $(filter-out $(SECTION_3),$(shell \
  sed -n '/^\.SH NAME/,/ \\-/{/^\.SH/d;s/ \\-.*//;s/,/ /g;p;}' docs/man/$(1).3))

install-man:
	$(INSTALL) -d '$(DESTDIR)$(MANDIR)/man3'
	$(INSTALL) -m 644 $(SECTION_3:%=docs/man/%.3) '$(DESTDIR)$(MANDIR)/man3'
	@mkdir -p build/man
	@$(foreach page,$(SECTION_3),for name in $(call FUNCTIONS_IN,$(page)); do \
	  echo '.so man3/$(page).3' > "build/man/$$name.3" || exit; done;)
	$(INSTALL) -m 644 $(foreach page,$(SECTION_3),\
	  $(patsubst %,build/man/%.3,$(call FUNCTIONS_IN,$(page)))) '$(DESTDIR)$(MANDIR)/man3'

uninstall-man:
	rm -f $(foreach page,$(SECTION_3),\
	  $(patsubst %,'$(DESTDIR)$(MANDIR)/man3/%.3',$(page) $(call FUNCTIONS_IN,$(page))))

install: install-man
uninstall: uninstall-man

install: $(INSTALLABLE) configured
	$(INSTALL) -d '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(CMAKEDIR)' '$(DESTDIR)$(INCLUDEDIR)' \
	  '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(MANDIR)/man1' \
	  '$(DESTDIR)$(BASH_COMPLETIONS)' '$(DESTDIR)$(ZSH_COMPLETIONS)' '$(DESTDIR)$(FISH_COMPLETIONS)'
	$(INSTALL) -m 755 build/lib/$(SHARED) '$(DESTDIR)$(LIBDIR)/$(SHARED)'
	ln -sf $(SHARED) '$(DESTDIR)$(LIBDIR)/$(SONAME)'
	ln -sf $(SONAME) '$(DESTDIR)$(LIBDIR)/libshm_util.so'
	$(INSTALL) -m 644 build/lib/libshm_util.a '$(DESTDIR)$(LIBDIR)/libshm_util.a'
	$(INSTALL) -m 644 build/config/shm_util.pc '$(DESTDIR)$(LIBDIR)/pkgconfig/shm_util.pc'
	$(INSTALL) -m 644 $(CMAKE_FILES:%=build/config/%) '$(DESTDIR)$(CMAKEDIR)'
	$(INSTALL) -m 644 include/shm_util.h '$(DESTDIR)$(INCLUDEDIR)/shm_util.h'
	$(INSTALL) -m 644 include/shm_util_ext.h '$(DESTDIR)$(INCLUDEDIR)/shm_util_ext.h'
	$(INSTALL) -m 755 build/bin/shmutil '$(DESTDIR)$(BINDIR)/shmutil'
	$(INSTALL) -m 644 docs/man/shmutil.1 '$(DESTDIR)$(MANDIR)/man1/shmutil.1'
	$(INSTALL) -m 644 build/completions/shmutil '$(DESTDIR)$(BASH_COMPLETIONS)/shmutil'
	$(INSTALL) -m 644 build/completions/_shmutil '$(DESTDIR)$(ZSH_COMPLETIONS)/_shmutil'
	$(INSTALL) -m 644 build/completions/shmutil.fish '$(DESTDIR)$(FISH_COMPLETIONS)/shmutil.fish'
	@# So that programs find it at once, where we may say so.
	@test -n '$(DESTDIR)' || ldconfig 2>/dev/null || \
	  echo "make: run ldconfig as root, so that programs find $(SONAME)"

uninstall:
	rm -f '$(DESTDIR)$(LIBDIR)/$(SHARED)' '$(DESTDIR)$(LIBDIR)/$(SONAME)' \
	  '$(DESTDIR)$(LIBDIR)/libshm_util.so' '$(DESTDIR)$(LIBDIR)/libshm_util.a' \
	  '$(DESTDIR)$(LIBDIR)/pkgconfig/shm_util.pc' '$(DESTDIR)$(INCLUDEDIR)/shm_util.h' \
	  $(CMAKE_FILES:%='$(DESTDIR)$(CMAKEDIR)/%') \
	  '$(DESTDIR)$(BINDIR)/shmutil' '$(DESTDIR)$(MANDIR)/man1/shmutil.1' \
	  '$(DESTDIR)$(BASH_COMPLETIONS)/shmutil' '$(DESTDIR)$(ZSH_COMPLETIONS)/_shmutil' \
	  '$(DESTDIR)$(FISH_COMPLETIONS)/shmutil.fish' \
	  '$(DESTDIR)$(INCLUDEDIR)/shm_util_ext.h'
	@rmdir '$(DESTDIR)$(CMAKEDIR)' 2>/dev/null || true

# Not with the others: with these on the way of all, each program that includes
# shm_util.h would get the macros.
install-compat:
	$(INSTALL) -d '$(DESTDIR)$(INCLUDEDIR)/shm_util/compat'
	$(INSTALL) -m 644 $(COMPAT:%=include/shm_util/compat/%) \
	  '$(DESTDIR)$(INCLUDEDIR)/shm_util/compat'

uninstall-compat:
	rm -f $(COMPAT:%='$(DESTDIR)$(INCLUDEDIR)/shm_util/compat/%')
	@rmdir '$(DESTDIR)$(INCLUDEDIR)/shm_util/compat' '$(DESTDIR)$(INCLUDEDIR)/shm_util' \
	  2>/dev/null || true

clean:
	rm -rf build target

.PHONY: all library command headers configured need-cargo need-cc demo test examples torture fuzz bench \
  bench-deps check-instructions accept-instructions size check-install check-abi abi-accept \
  deb check-deb install install-man install-compat uninstall uninstall-man uninstall-compat clean
