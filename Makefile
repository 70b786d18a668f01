# make            the library, shared and static, in build/lib
# make demo       a story of two programs, one of which is killed
# make test       everything that can be tested; the last line counts
# make bench      the library's calls against the raw system calls
# make install    to $(DESTDIR)$(PREFIX); see also LIBDIR, INCLUDEDIR
# make uninstall  takes away what make install has put there
# make clean      takes away what make has built

PREFIX     = /usr/local
LIBDIR     = $(PREFIX)/lib
INCLUDEDIR = $(PREFIX)/include
CARGO      = cargo
CC         = cc
CFLAGS     = -O2
INSTALL    = install

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
MAJOR   := $(firstword $(subst ., ,$(VERSION)))
SHARED   = libshm_util.so.$(VERSION)
SONAME   = libshm_util.so.$(MAJOR)
BUILT    = target/release

# What a program linked with the static library needs besides.
STATIC_LIBS = -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc

all: build/lib/shm_util.pc

# Cargo knows what is out of date; the links are made anew each time.
library: need-cargo need-cc
	$(CARGO) build --release --locked --lib --features shipped
	@mkdir -p build/lib
	@cp $(BUILT)/libshm_util.so build/lib/$(SHARED)
	@cp $(BUILT)/libshm_util.a build/lib/libshm_util.a
	@ln -sf $(SHARED) build/lib/$(SONAME)
	@ln -sf $(SONAME) build/lib/libshm_util.so

build/lib/shm_util.pc: library
	@printf '%s\n' \
	  'prefix=$(PREFIX)' 'libdir=$(LIBDIR)' 'includedir=$(INCLUDEDIR)' '' \
	  'Name: shm_util' 'Version: $(VERSION)' \
	  'Description: named shared memory segments whose names stay right' \
	  'Libs: -L$${libdir} -lshm_util' 'Libs.private: $(STATIC_LIBS)' \
	  'Cflags: -I$${includedir}' > $@

need-cargo:
	@command -v $(CARGO) >/dev/null 2>&1 || { \
	  echo "make: '$(CARGO)' is not installed: see 'What it needs' in README.md" >&2; exit 1; }

need-cc:
	@command -v $(CC) >/dev/null 2>&1 || { \
	  echo "make: no C compiler '$(CC)': install gcc, or say make CC=..." >&2; exit 1; }

demo: library
	@CC="$(CC)" c_tests/demo/run

test: library
	@CC="$(CC)" CARGO="$(CARGO)" c_tests/run-all

bench: library
	@mkdir -p build/bench
	$(CC) -O2 -Wall -Iinclude -o build/bench/calls c_tests/bench/calls.c \
	  -Lbuild/lib -lshm_util -Wl,-rpath,'$(CURDIR)/build/lib'
	@build/bench/calls

install: all
	$(INSTALL) -d '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(INCLUDEDIR)'
	$(INSTALL) -m 755 build/lib/$(SHARED) '$(DESTDIR)$(LIBDIR)/$(SHARED)'
	ln -sf $(SHARED) '$(DESTDIR)$(LIBDIR)/$(SONAME)'
	ln -sf $(SONAME) '$(DESTDIR)$(LIBDIR)/libshm_util.so'
	$(INSTALL) -m 644 build/lib/libshm_util.a '$(DESTDIR)$(LIBDIR)/libshm_util.a'
	$(INSTALL) -m 644 build/lib/shm_util.pc '$(DESTDIR)$(LIBDIR)/pkgconfig/shm_util.pc'
	$(INSTALL) -m 644 include/shm_util.h '$(DESTDIR)$(INCLUDEDIR)/shm_util.h'

uninstall:
	rm -f '$(DESTDIR)$(LIBDIR)/$(SHARED)' '$(DESTDIR)$(LIBDIR)/$(SONAME)' \
	  '$(DESTDIR)$(LIBDIR)/libshm_util.so' '$(DESTDIR)$(LIBDIR)/libshm_util.a' \
	  '$(DESTDIR)$(LIBDIR)/pkgconfig/shm_util.pc' '$(DESTDIR)$(INCLUDEDIR)/shm_util.h'

clean:
	rm -rf build target

.PHONY: all library need-cargo need-cc demo test bench install uninstall clean
