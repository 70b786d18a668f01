/*
 * musl-find-object.c - lets GCC's unwinder work with musl: it asks the C library which object an
 * address belongs to, as glibc 2.35 and newer answer. scripts/target links it into Rust programs.
 */
#define _GNU_SOURCE
#include <link.h>
#include <stdint.h>

/* As glibc has it on x86-64. */
struct dl_find_object {
    unsigned long long flags;
    void *map_start, *map_end;
    struct link_map *link_map;
    void *eh_frame;
    unsigned long long reserved[7];
};

struct search {
    uintptr_t address;
    struct dl_find_object *found;
};

static int look (struct dl_phdr_info *object, size_t size, void *argument)
{
    struct search *search = argument;
    uintptr_t start = 0, end = 0, eh_frame = 0;
    int i;

    (void) size;
    for (i = 0; i < object->dlpi_phnum; i++) {
        const ElfW (Phdr) *header = &object->dlpi_phdr[i];
        uintptr_t place = object->dlpi_addr + header->p_vaddr;

        if (header->p_type == PT_GNU_EH_FRAME)
            eh_frame = place;
        if (header->p_type == PT_LOAD && search->address >= place
            && search->address - place < header->p_memsz) {
            start = place;
            end = place + header->p_memsz;
        }
    }
    if (start == 0 || eh_frame == 0)
        return 0;
    search->found->map_start = (void *) start;
    search->found->map_end = (void *) end;
    search->found->eh_frame = (void *) eh_frame;
    return 1;
}

int _dl_find_object (void *address, struct dl_find_object *found);

/* 0 if there is one. */
int _dl_find_object (void *address, struct dl_find_object *found)
{
    struct search search = { (uintptr_t) address, found };

    return dl_iterate_phdr (look, &search) != 0 ? 0 : -1;
}
