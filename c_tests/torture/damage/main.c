/*
 * main.c - the program damage; damage.h describes it.
 */
#include "damage.h"

static const struct part parts[] = {
    { "stopped", begin_stopped },
    { "blows", begin_blows },
    { "ipcrm", test_ipcrm },
    { "versions", test_versions },
    { "squatters", test_squatters },
    { "limits", test_limits },
    { "elsewhere", test_elsewhere },
    { "worlds", test_worlds },
    { "abandoned", test_abandoned },
    { "sweep", test_sweep },
    { "files", test_files },
    { "directory", test_directory },
    { "blows", end_blows },
    { "stopped", end_stopped },
    { NULL, NULL }
};

void use_own_directory (const char *name)
{
    const char *parent = memory_directory ();
    char path[PATH_SIZE];

    snprintf (path, sizeof path, "%.200s/%s-%d", parent != NULL ? parent : scratch, name,
              (int) getpid ());
    use_directory (path);
    make_files_of_others ();
}

static void all_damage (void)
{
    if (has_world ("damage"))
        run_all_parts (parts);
}

int main (int argc, char **argv)
{
    const struct program program = { "damage", parts, all_damage, 180, 1200 };

    return run_program (&program, argc, argv);
}
