// Boost.Interprocess: files on tmpfs; the second way adds an allocator of named objects, and the
// third has it in a file.

#include "bench.h"
#include "ways.h"

#include <boost/interprocess/file_mapping.hpp>
#include <boost/interprocess/managed_mapped_file.hpp>
#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <boost/interprocess/shared_memory_object.hpp>
#include <string>

using namespace boost::interprocess;

static std::string name, held, held_managed;

static void begin_boost (const char *)
{
    name = "bench-boost-" + std::to_string (getpid ());
    held = name + "-held";
    held_managed = name + "-held-managed";
}

static void release_object ()
{
    shared_memory_object::remove (held.c_str ());
}

static void release_managed ()
{
    shared_memory_object::remove (held_managed.c_str ());
}

static void create_object (long size)
{
    {
        shared_memory_object object (create_only, name.c_str (), read_write);
        object.truncate (size);
        mapped_region region (object, read_write);
    }
    shared_memory_object::remove (name.c_str ());
}

static void hold_object (long size)
{
    shared_memory_object object (create_only, held.c_str (), read_write);
    object.truncate (size);
    mapped_region region (object, read_write);
    memset (region.get_address (), 1, region.get_size ());
}

static void attach_object ()
{
    shared_memory_object object (open_only, held.c_str (), read_write);
    mapped_region region (object, read_write);
}

static void create_managed (long size)
{
    {
        managed_shared_memory memory (create_only, name.c_str (), size);
    }
    shared_memory_object::remove (name.c_str ());
}

static void hold_managed (long size)
{
    managed_shared_memory memory (create_only, held_managed.c_str (), size);
    size_t most = memory.get_free_memory () * 9 / 10;
    void *address = memory.allocate (most);
    memset (address, 1, most);
    memory.deallocate (address);
}

static void attach_managed ()
{
    managed_shared_memory memory (open_only, held_managed.c_str ());
}

static std::string file, held_file;

static void begin_file (const char *directory)
{
    file = std::string (directory) + "/boost";
    held_file = file + "-held";
}

static void create_file (long size)
{
    {
        managed_mapped_file memory (create_only, file.c_str (), size);
    }
    file_mapping::remove (file.c_str ());
}

static void hold_file (long size)
{
    managed_mapped_file memory (create_only, held_file.c_str (), size);
    size_t most = memory.get_free_memory () * 9 / 10;
    void *address = memory.allocate (most);
    memset (address, 1, most);
    memory.deallocate (address);
}

static void release_file ()
{
    file_mapping::remove (held_file.c_str ());
}

static void attach_file ()
{
    managed_mapped_file memory (open_only, held_file.c_str ());
}

extern "C" {
extern const struct way way_boost_object = {
    "Boost object", begin_boost, create_object, hold_object, release_object, attach_object};
extern const struct way way_boost_managed = {
    "Boost managed", begin_boost, create_managed, hold_managed, release_managed, attach_managed};
extern const struct way way_boost_file = {
    "Boost managed", begin_file, create_file, hold_file, release_file, attach_file};
}
